export const readCommandText = `select stream_id, request_hash, result from highwater.command where command_id = $1::text`;
