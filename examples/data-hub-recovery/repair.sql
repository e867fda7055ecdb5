-- What the team decided about the rows that Highwater listed. Highwater repairs nothing of the application's by itself.

-- Signed up half-way: they get the workspace that signing up would have made.
insert into "Workspace" (id, name, "ownerId")
select 'cx' || substr(md5('repair' || u.id), 1, 23), coalesce(u.name, 'Workspace'), u.id
  from "User" u where not exists (select from "Workspace" w where w."ownerId" = u.id);

-- Connected more than once: the connection that has the workspace stays, the others carry an expired token.
delete from "Connection" c
 using "Connection" other
 where c."workspaceId" is null and other."userId" = c."userId" and other.provider = c.provider
   and (other."workspaceId" is not null or other.id < c.id);

-- Filled, and then moved to another user by code that had never heard of workspaces.
update "Insight" i set "workspaceId" = w.id
  from "Workspace" w where w."ownerId" = i."userId" and i."workspaceId" is distinct from w.id and i."workspaceId" is not null;
