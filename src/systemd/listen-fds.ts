// Sockets that the service manager opened and passed: sd_listen_fds(3). It keeps them open across restarts, so that no
// connection is refused and no other program can take the port.
import { readFileSync, readlinkSync } from 'node:fs'

/** A listening socket of the service manager. */
export interface PassedSocket {
  readonly fd: number
  /** `FileDescriptorName=` of the socket unit. */
  readonly name: string
  /** Path of a Unix socket; undefined for TCP, whose address can be asked of the socket. */
  readonly path: string | undefined
}

/** The first descriptor after standard input, output and error (SD_LISTEN_FDS_START). */
const firstFd = 3

/** More than our socket units have. A wrong number must not make us use descriptors of Node itself. */
const maxFds = 16

/**
 * The sockets passed to the process `pid`; none if they were passed to another process. The variables are removed from
 * `env` in any case, so that children do not inherit them.
 */
export function takePassedSockets(
  env: NodeJS.ProcessEnv,
  pid: number,
  pathOf: (fd: number) => string | undefined = unixPathOf,
): PassedSocket[] {
  const { LISTEN_FDS: count, LISTEN_PID: owner, LISTEN_FDNAMES: names } = env
  delete env['LISTEN_FDS']
  delete env['LISTEN_PID']
  delete env['LISTEN_FDNAMES']
  if (owner !== String(pid) || !/^[1-9]\d?$/.test(count ?? '') || Number(count) > maxFds) return []
  const nameList = (names ?? '').split(':')
  return Array.from({ length: Number(count) }, (_, index) => {
    const fd = firstFd + index
    return { fd, name: nameList[index] || 'unknown', path: pathOf(fd) }
  })
}

/**
 * The path of a listening Unix socket, which Node does not know for a socket that it did not open. `/proc/self/net` is
 * visible even where ProcSubset=pid hides the rest.
 */
function unixPathOf(fd: number): string | undefined {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
    if (inode === undefined) return undefined
    const lines = readFileSync('/proc/self/net/unix', 'utf8').split('\n')
    return pathInTable(lines, inode)
  } catch {
    return undefined
  }
}

/** A line is `Num RefCount Protocol Flags Type St Inode Path` (proc(5)); an abstract name begins with `@`. */
export function pathInTable(lines: readonly string[], inode: string): string | undefined {
  for (const line of lines) {
    const [, foundInode, path] = /^\S+ \S+ \S+ \S+ \S+ \S+ +(\d+) (.+)$/.exec(line) ?? []
    if (foundInode === inode) return path
  }
  return undefined
}
