// Notices that a file was replaced, written or removed: by the kernel's notifications, which may miss a change or not be there.
import { type FSWatcher, realpathSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/**
 * Calls back when something may have happened to the file, often more than once.
 * @returns stops that.
 */
export function watchPath(path: string, onChange: () => void): () => void {
  const paths = [path, realPathOf(path)]
  const names = new Set(paths.map((each) => basename(each)))
  const watchers: FSWatcher[] = []
  const heard = (_: string, changed: string | null) => {
    if (changed === null || names.has(changed)) onChange()
  }
  // A link is replaced in its directory, the file that it leads to in another one.
  for (const directory of new Set(paths.map((each) => dirname(each)))) {
    try {
      const watcher = watch(directory, { persistent: false }, heard)
      // The directory was removed, say.
      watcher.on('error', () => watcher.close())
      watchers.push(watcher)
    } catch {
      // There is no such directory, or no notification left; whoever needs to know looks from time to time.
    }
  }
  return () => {
    for (const watcher of watchers) watcher.close()
  }
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
