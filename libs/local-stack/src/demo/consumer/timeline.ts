import type { Received } from './ledger.js';

const WIDTH_MAX = 100;

/** `04:12:07.123  enforced                table=Activity target=workspaceId`: numbers and short texts of the event, no nesting. */
export function timelineText(event: Received): string {
  const name = /([a-z-]+)\.v\d+$/.exec(event.type)?.[1] ?? event.type;
  const facts = Object.entries(event.data)
    .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value) && String(value).length <= 40)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(' ');
  return `${event.at.slice(11, 23)}  ${name.padEnd(24)}${facts.length > WIDTH_MAX ? `${facts.slice(0, WIDTH_MAX)}…` : facts}`;
}
