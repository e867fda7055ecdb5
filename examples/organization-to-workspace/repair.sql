-- What the team decided about the rows that Highwater listed. Highwater repairs nothing of the application's by itself.

-- Groups of no organization, and with them their activities and responses, are the house's own.
insert into "Organization" (id, name) values ('house', 'The house') on conflict do nothing;
update "Group" set "orgId" = 'house' where "orgId" is null;

-- Responses to nothing: their activity is gone, nobody can ever see them.
delete from "Response" where "activityId" is null and "groupId" is null;

-- Groups that went to another organization after they were filled, and what follows from them.
update "Group" set "workspaceId" = "orgId" where "workspaceId" <> "orgId";
update "Activity" a set "workspaceId" = g."workspaceId"
  from "Group" g where g.id = a."groupId" and a."workspaceId" <> g."workspaceId";
update "Response" r set "workspaceId" = a."workspaceId"
  from "Activity" a where a.id = r."activityId" and r."workspaceId" <> a."workspaceId";
