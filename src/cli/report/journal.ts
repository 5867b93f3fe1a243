// The lines of the service in the journal, by journalctl, which alone knows where they are.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Scope, serviceUnit } from '../../systemd/scope.ts'
import type { Span } from './period.ts'

export type JournalRun<Result> =
  | { readonly kind: 'read'; readonly result: Result }
  /** For people. */
  | { readonly kind: 'fault'; readonly reason: string }

/** What standard error is kept of, in characters. */
const maxErrorText = 500

/**
 * @param scope whose service it is.
 * @param span undefined at its start: from the first line on.
 * @param read receives the lines; the program is stopped when it returns.
 */
export async function readJournal<Result>(
  scope: Scope,
  { sinceMs, untilMs, lines }: Partial<Span> & { readonly lines?: number },
  read: (stream: AsyncIterable<Buffer>) => Promise<Result>,
): Promise<JournalRun<Result>> {
  const at = (ms: number) => `@${(ms / 1000).toFixed(3)}`
  const options = [
    // Not `--user`, which reads only files of the user's own: a journal in memory has none.
    `${scope === 'user' ? '--user-unit' : '--unit'}=${serviceUnit}`,
    '--quiet',
    '--no-pager',
    '--output=cat',
    ...(lines === undefined ? [] : [`--lines=${lines}`]),
    ...(sinceMs === undefined ? [] : [`--since=${at(sinceMs)}`]),
    ...(untilMs === undefined ? [] : [`--until=${at(untilMs)}`]),
  ]
  const child = spawn('journalctl', options, { stdio: ['ignore', 'pipe', 'pipe'] })
  let fault = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    fault = (fault + text).slice(0, maxErrorText)
  })
  const ended = once(child, 'close') as Promise<[number | null]>
  try {
    const [result, [status]] = await Promise.all([read(child.stdout), ended])
    if (status === 0) return { kind: 'read', result }
    return {
      kind: 'fault',
      reason: fault.trim() === '' ? `journalctl ended with status ${status}` : fault.trim(),
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // Without a code it is no fault of the system.
    if (code === undefined) throw error
    return { kind: 'fault', reason: code === 'ENOENT' ? 'journalctl is not installed' : message }
  } finally {
    child.kill()
  }
}
