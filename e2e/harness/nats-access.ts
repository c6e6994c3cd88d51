/** A NATS URL with user and password, as options of the bare client, which does not read them from the URL. */
export function natsAccess(url: string): { servers: string[]; user?: string; pass?: string } {
  const [, user, pass] = /\/\/([^:@/]*):([^@/]*)@/.exec(url) ?? [];
  const servers = url.split(',').map((one) => one.trim().replace(/\/\/[^@/]*@/, '//'));
  return user === undefined
    ? { servers }
    : { servers, user: decodeURIComponent(user), pass: decodeURIComponent(pass!) };
}
