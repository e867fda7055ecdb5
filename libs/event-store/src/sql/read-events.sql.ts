const columns = `stream_id, version, position, type, data, metadata,
       to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at`;

export const readStreamText = `
select ${columns}
  from highwater.event where stream_id = $1::text and version > $2::bigint order by version`;

/* Positions become visible in their order, so nothing can appear later below the last one read. */
export const readAllText = `
select ${columns}
  from highwater.event where position > $1::bigint order by position limit $2::int`;

export const readHeadText = `select position from highwater.event_head`;
