// Notices changes of a file by `stat`, not by the kernel's notifications, which miss renames, symbolic links to other
// directories, and network file systems.
import { statSync, unwatchFile, watchFile } from 'node:fs'

/** Differs if the content, owner or mode has changed, or the path leads to another file. Undefined: there is no file. */
export function fileVersion(path: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch {
    return undefined
  }
}

/**
 * Calls `onChange` when the file has another version than before and has kept it for one interval: an editor may write it in
 * several steps. A missing file is waited for.
 *
 * @param since the known version; a change since then is reported, too.
 * @returns stops watching.
 */
export function watchForChanges(
  path: string,
  since: string | undefined,
  onChange: () => void,
  intervalMs = 1_000,
): () => void {
  let known = since
  const settled = setTimeout(() => {
    const version = fileVersion(path)
    if (version === undefined || version === known) return
    known = version
    onChange()
  }, intervalMs).unref()
  const waitUntilSettled = () => void settled.refresh()
  watchFile(path, { interval: intervalMs, persistent: false }, waitUntilSettled)
  return () => {
    unwatchFile(path, waitUntilSettled)
    clearTimeout(settled)
  }
}
