// Which messages could not be sent so far, for commands.
import { AlertsFile } from '../observe/alerts/saved-alerts.ts'

/** By the name of the sink; without those that nothing waits for. @param directory of the running gateway's state. */
export function waitingNotices(directory: string): ReadonlyMap<string, number> {
  const file = new AlertsFile({
    directory,
    content: () => ({ conditions: [], waiting: new Map() }),
    // A file that cannot be read is a finding of its own.
    onFault: () => {},
  })
  const counts = [...file.load().waiting].map(([sink, notices]) => [sink, notices.length] as const)
  return new Map(counts.filter(([, count]) => count > 0))
}
