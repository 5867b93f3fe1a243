// Notices that a file has changed, by looking at it once a second: that sees through renames, symbolic links and network
// file systems, where the kernel's notifications name another file or do not come.
import { statSync } from 'node:fs'

/** Changes with the file's content, owner and mode, and when another file takes its place. Undefined: there is none. */
export function fileVersion(path: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch {
    return undefined
  }
}

/**
 * Calls `onChange` when the file has another version than before and keeps it from one look to the next: an editor may
 * write it in several steps. A file that is gone is waited for.
 * @param since the version that is known.
 * @returns stops watching.
 */
export function watchForChanges(
  path: string,
  since: string | undefined,
  onChange: () => void,
  intervalMs = 1_000,
): () => void {
  let known = since
  let last = since
  const look = () => {
    const version = fileVersion(path)
    const hasSettled = version === last
    last = version
    if (version === undefined || version === known || !hasSettled) return
    known = version
    onChange()
  }
  const timer = setInterval(look, intervalMs).unref()
  return () => clearInterval(timer)
}
