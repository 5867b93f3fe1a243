// A command for the login shell of another machine, whichever that is: one line, each word in single quotes. The script itself
// comes first on standard input, so that it may be as long as it needs to be; what follows it is the script's own input.
import { posix } from 'node:path'

export interface RemoteScript {
  /** POSIX sh. It gets its arguments as $1, $2, … */
  readonly text: string
  readonly args: readonly string[]
  /** By `sudo -n`: it fails where a password would be asked for. */
  readonly isPrivileged: boolean
}

/** What the far shell is given, and what has to be sent before any input. */
export interface RemoteCommand {
  readonly line: string
  readonly prologue: Buffer
}

/**
 * `dd` with blocks of one byte reads exactly the script, where `head` and a shell that reads a script of a pipe may read ahead.
 * @throws for an argument with a line break, which csh would not accept in quotes.
 */
export function remoteCommand({ text, args, isPrivileged }: RemoteScript): RemoteCommand {
  const prologue = Buffer.from(text)
  const reader = `eval "$(dd bs=1 count=${prologue.length} 2>/dev/null)"`
  const words = ['sh', '-c', reader, 'sh', ...args]
  const sudo = isPrivileged ? ['sudo', '-n', '--'] : []
  return { line: [...sudo, ...words].map(quotedWord).join(' '), prologue }
}

/** For sh, bash, zsh, dash, fish and csh alike. */
function quotedWord(word: string): string {
  // csh expands history within quotes, too.
  if (/[\n\r\0!]/.test(word)) throw new Error('a word of a remote command has a line break or "!"')
  // fish reads a backslash within single quotes, too.
  return `'${word.replaceAll(/['\\]/g, String.raw`'\$&'`)}'`
}

/** Whether a path of the other machine can stand in its commands and units. */
export function isPlainPath(path: string): boolean {
  return path.startsWith('/') && posix.normalize(path) === path && /^[\w/.@+, -]+$/.test(path)
}
