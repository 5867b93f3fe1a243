/** `127.0.0.1:4000`, `[::1]:4000`. @param host a name or an address without brackets. */
export function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
