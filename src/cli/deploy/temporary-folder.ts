// Folders of a deploy below the system's directory of temporary files. A process that is killed leaves its own there; the next deploy of
// that user removes them.
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A process of another container has no number here, and may share the directory. */
const minAgeMs = 3_600_000

/** A new private folder. Its path is short, since that of a socket has at most 107 bytes: unix(7). */
export function makeTemporaryFolder(nowMs = Date.now()): string {
  removeAbandoned(tmpdir(), nowMs)
  return mkdtempSync(join(tmpdir(), `llmgw-${process.pid}-`))
}

/** Those of this user whose process has ended. What cannot be removed stays: it stops no deploy. */
function removeAbandoned(directory: string, nowMs: number): void {
  try {
    for (const name of readdirSync(directory)) {
      const [, pid] = /^llmgw-(\d+)-\w{6}$/.exec(name) ?? []
      if (pid === undefined || isRunning(Number(pid))) continue
      const folder = join(directory, name)
      const status = lstatSync(folder)
      const isOwn = status.isDirectory() && status.uid === process.geteuid?.()
      if (isOwn && nowMs - status.mtimeMs > minAgeMs) rmSync(folder, { recursive: true, force: true })
    }
  } catch {
    // Another process may remove the same one.
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
