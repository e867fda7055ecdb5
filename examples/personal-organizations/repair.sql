-- What the team decided about the rows that Highwater listed. Highwater repairs nothing of the application's by itself.

-- Projects of nobody are the house's own.
insert into users (id, email, name) values ('house', 'house@example.com', 'The house') on conflict do nothing;
update projects set owner_id = 'house' where owner_id is null;

-- Projects of users who are gone: nobody can ever see them.
delete from projects p where not exists (select from users u where u.id = p.owner_id);

-- Teams give the names back that they took.
update organizations set slug = slug || '-team' where type = 'team' and slug not like '%-team';

-- Projects that changed hands after they were filled.
update projects set organization_id = 'org-' || owner_id where organization_id <> 'org-' || owner_id;
