// The summary of a report as a message: counts and names of the configuration only, because it leaves the machine. No client, no
// reason of a provider, no address.
import { sendOnce } from '../../app/send-once.ts'
import { formatUsd } from '../../ledger/render.ts'
import { printable } from '../../platform/printable.ts'
import { sinksOf } from '../notify.ts'
import { type CommandIo, counted, Output } from '../output.ts'
import type { Report } from './gather.ts'
import { instantText } from './period.ts'
import type { Crossing } from './thresholds.ts'

/** They would keep a report as an incident that never ends. */
const keepsStates: ReadonlySet<string> = new Set(['alertmanager', 'pagerduty'])

/** @returns whether the service has taken it; else the reason is on standard error. */
export async function sendReport(
  io: CommandIo,
  name: string,
  report: Report,
  { config, nowMs }: { readonly config?: string | undefined; readonly nowMs: number },
): Promise<boolean> {
  const err = new Output(io.stderr, io.env)
  const [sink] = (await sinksOf(io, config, name)) ?? []
  if (sink === undefined) return false
  if (keepsStates.has(sink.kind)) {
    err.line(
      printable(
        `${name} is of the kind ${sink.kind}, which keeps incidents and no reports; choose another sink.`,
      ),
    )
    return false
  }
  const message = { rule: 'Report', subject: report.period.label, severity: severityOf(report.crossings) }
  const sent = await sendOnce(sink, { ...message, ...summaryOf(report) }, nowMs)
  if (!sent.isTaken) err.line(printable(`${name} (${sink.kind}): ${sent.said}`))
  return sent.isTaken
}

function severityOf(crossings: readonly Crossing[]): Crossing['severity'] {
  for (const severity of ['critical', 'warning'] as const)
    if (crossings.some((crossing) => crossing.severity === severity)) return severity
  return 'info'
}

function summaryOf({ period, zone, crossings, calls, ledger, access, keys, isWhole }: Report): {
  readonly title: string
  readonly text: string
} {
  const crossed =
    crossings.length === 0 ? 'no threshold was crossed' : `${counted(crossings.length, 'threshold')} crossed`
  const tokens =
    ledger === undefined ? undefined : ledger.total.prompt_tokens + ledger.total.completion_tokens
  const refused = access.refusals().reduce((sum, { requests }) => sum + requests, 0)
  const old = keys.filter(({ ageMs }) => ageMs > 90 * 86_400_000)
  const lines = [
    ...crossings.map(({ rule, subject, atMs, detail }) => {
      const at = atMs === undefined ? '' : `, first at ${instantText(atMs, zone)}`
      return `${rule} ${subject}: ${detail}${at}`
    }),
    `${counted(calls.calls, 'call')}, ${calls.failures} failed, ${counted(refused, 'request')} refused`,
    ledger !== undefined && `${tokens} tokens, ${formatUsd(ledger.total.cost_nano)} USD`,
    old.length > 0 && `${counted(old.length, 'key')} to be rotated`,
    !isWhole && 'The data is not whole.',
    'The report itself: llm-gateway report',
  ]
  return {
    title: `Report of ${period.label}: ${crossed}`,
    text: lines.filter((line) => line !== false).join('\n'),
  }
}
