// A port for programs that do not report the one that the system has given them.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/** Of 127.0.0.1. It is free when this returns, and most likely when the program binds it. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
