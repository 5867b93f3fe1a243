// The Unix socket: only the user who runs the gateway can open it, because the file (0600) and its directory (0700)
// say so. What lies at its path is looked at before it is replaced: a file that is no socket is somebody's data, and a
// socket that answers is another gateway, or somebody who waits for our clients.
import { chmodSync, lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { StartError } from '../../errors.ts'

/** @throws StartError when the path, its directory or what lies there is not as it must be. */
export async function bindUnixSocket(server: Server, path: string): Promise<void> {
  checkDirectory(dirname(path))
  await clearPath(path)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  // The umask is the whole process's; Node binds within the call, so nothing else runs under it. A worker thread may not
  // change it: there the directory alone keeps others out for the moment until the mode is set.
  const umask = isMainThread ? process.umask(0o177) : undefined
  try {
    server.listen({ path }, resolve)
  } finally {
    if (umask !== undefined) process.umask(umask)
  }
  try {
    await promise
    chmodSync(path, 0o600)
  } catch (error) {
    throw new StartError(`server.unix_socket: ${(error as Error).message}`)
  } finally {
    server.off('error', reject)
  }
}

/** Ours, and nobody else may enter. */
function checkDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new StartError(`server.unix_socket: ${directory} can't be made: ${(error as Error).message}`)
  }
  const { mode, uid } = statSync(directory)
  if (uid !== process.getuid?.()) {
    throw new StartError(`server.unix_socket: ${directory} belongs to another user (uid ${uid}).`)
  }
  if ((mode & 0o077) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(3, '0')
    const way = `Run chmod 700 ${directory}, or choose a directory of the gateway's own.`
    throw new StartError(`server.unix_socket: others may enter ${directory} (mode ${shown}). ${way}`)
  }
}

/** A socket that nobody listens on is left over from a crash. */
async function clearPath(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new StartError(`server.unix_socket: ${path} is there, and is no socket. Move it away.`)
  }
  const code = await knock(path)
  if (code === 'ECONNREFUSED') return unlinkSync(path)
  if (code === undefined) {
    throw new StartError(`server.unix_socket: another program listens on ${path}. Stop it.`)
  }
  throw new StartError(`server.unix_socket: ${path} can't be taken over (${code}).`)
}

/** @returns the code of the failure to connect; undefined when somebody is there. */
function knock(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'UNKNOWN'))
  })
}
