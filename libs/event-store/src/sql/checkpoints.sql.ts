export const readCheckpointText = `select position from highwater.publisher_checkpoint where name = $1::text`;

/* Never backwards: a publisher that lost the lead and finishes late must not undo its successor's progress. */
export const saveCheckpointText = `
insert into highwater.publisher_checkpoint as c (name, position) values ($1::text, $2::bigint)
on conflict (name) do update set position = excluded.position, updated_at = clock_timestamp()
 where c.position < excluded.position`;
