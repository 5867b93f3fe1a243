// The Unix socket: only the user who runs the gateway can open it, by the modes of the file (0600) and its directory (0700).
// Whatever is at its path is checked before it is replaced: a file that is not a socket is somebody's data, and a socket
// that accepts connections is another gateway's, or waits for our clients.
import { once } from 'node:events'
import { chmodSync, lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { StartError } from '../../errors.ts'
import { type PathFault, pathFault, systemAccounts } from '../../platform/ownership.ts'

/**
 * @param name of the setting or the socket, for messages.
 * @throws StartError when the directory is not private, or the path is taken.
 */
export async function bindUnixSocket(server: Server, path: string, name: string): Promise<void> {
  checkDirectory(dirname(path), name)
  await clearPath(path, name)
  // The umask belongs to the whole process; Node binds within the call, so nothing else runs under it. A worker thread may
  // not change it: there the directory alone keeps others out until the mode is set.
  const umask = isMainThread ? process.umask(0o177) : undefined
  try {
    server.listen({ path })
  } finally {
    if (umask !== undefined) process.umask(umask)
  }
  try {
    await once(server, 'listening')
    chmodSync(path, 0o600)
  } catch (error) {
    throw new StartError(`${name}: ${(error as Error).message}`)
  }
}

/** Owned by us, closed to everybody else, and at a place where nobody else can put another one. */
function checkDirectory(directory: string, name: string): void {
  const fault = pathFault(directory, systemAccounts())
  if (fault !== undefined && fault.path !== directory) throw unsafePath(fault, name)
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new StartError(`${name}: cannot create ${directory}: ${(error as Error).message}`)
  }
  const { mode, uid } = statSync(directory)
  if (uid !== process.getuid?.()) {
    const way = 'Choose a directory that belongs to the user that runs the gateway.'
    throw new StartError(`${name}: ${directory} belongs to another user (uid ${uid}). ${way}`)
  }
  if ((mode & 0o077) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(3, '0')
    const way = `Run chmod 700 ${directory}, or choose a directory that only the gateway uses.`
    throw new StartError(`${name}: other users can enter ${directory} (mode ${shown}). ${way}`)
  }
  if (fault !== undefined) throw unsafePath(fault, name)
}

function unsafePath({ path, message, hint }: PathFault, name: string): StartError {
  return new StartError(`${name}: ${path} ${message}: ${hint}, or choose another directory.`)
}

/** Removes a socket that nobody listens on: a crash leaves one behind. */
async function clearPath(path: string, name: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new StartError(`${name}: ${path} exists and is not a socket. Move it, or use another path.`)
  }
  const code = await probeSocket(path)
  if (code === 'ECONNREFUSED') return unlinkSync(path)
  if (code === undefined) {
    throw new StartError(`${name}: another program listens on ${path}. Stop it, or use another path.`)
  }
  throw new StartError(`${name}: cannot replace the socket ${path} (${code}). Use another path.`)
}

/** @returns the error code of a failed connect; undefined when a program accepts connections there. */
function probeSocket(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'UNKNOWN'))
  })
}
