// A port of loopback on which nothing listens yet.
import { createServer } from 'node:net'

/** @returns the first free one of `count` ports from `first` on; undefined: all are taken. */
export async function findFreePort(first: number, count: number): Promise<number | undefined> {
  for (let port = first; port < first + count; port++) if (await isFree(port)) return port
  return undefined
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  return promise
}
