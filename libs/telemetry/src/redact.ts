const unreadable = '(unreadable URL)';

/** A URL without its password and without query parameters that hold secrets; safe to log. A text that is no URL is not repeated. */
export function redactUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return unreadable;
  }
  if (url.password !== '') url.password = '***';
  for (const name of [...url.searchParams.keys()]) {
    if (/pass|secret|token|key/i.test(name)) url.searchParams.set(name, '***');
  }
  return url.toString();
}

/** Takes credentials out of URLs that stand anywhere in a text, such as a driver's message. */
export const redactText = (text: string): string =>
  text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)([^\s/@:]*):([^\s/]*)@/gi, '$1$2:***@');
