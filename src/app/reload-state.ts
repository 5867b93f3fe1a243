// How the last load of the configuration went, as the status page shows it.
import type { Reload } from '../observe/reloads.ts'
import { shownText } from '../status/shown-text.ts'
import type { ReloadState } from '../status/status-report.ts'

const maxProblems = 20

/** @param latest undefined: there was none after the start. */
export function reloadState(latest: Reload | undefined): ReloadState | null {
  if (latest === undefined) return null
  const { atMs, isRefused, problems, needsRestart } = latest
  return {
    at: new Date(atMs).toISOString(),
    ok: !isRefused,
    problems: problems.slice(0, maxProblems).map(shownText),
    needs_restart: needsRestart,
  }
}
