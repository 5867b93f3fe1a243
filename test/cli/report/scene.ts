// A ledger, an audit log and log lines of the same calls, as a gateway leaves them.
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { reportCommand, type ReportOptions } from '../../../src/cli/report.ts'
import type { EndedCall } from '../../../src/ledger/call-row.ts'
import { openLedgerFile } from '../../../src/ledger/ledger-file.ts'
import type { ServiceStep } from '../../../src/ledger/service-steps.ts'
import { appendLine, type AuditEvent, noHead } from '../../../src/observe/audit/chain.ts'
import { servicePaths } from '../../../src/systemd/scope.ts'
import { endedCall, newPath, rowsOf } from '../../ledger/ended-call.ts'
import { recordedIo } from '../../support/command-io.ts'

/** 2026-11-24, a Tuesday. */
export const nowMs = Date.UTC(2026, 10, 24, 10)

export interface SceneCall extends Partial<EndedCall> {
  /** When it ended: RFC 3339. */
  readonly at: string
  /** What only the log has of it. */
  readonly reason?: string
  readonly provider_code?: string
}

export interface SceneEvent extends Partial<AuditEvent> {
  readonly at: string
  readonly name: string
}

export interface Scene {
  readonly db: string
  readonly log: string
}

/**
 * @param lines of the log besides those of calls: each with its time, in any order. Undefined in place of `calls`, `audit` or
 *   `lines`: there is no ledger, no audit log, no log.
 */
export function sceneOf({
  calls,
  audit,
  lines,
  steps = [],
  logged = calls ?? [],
}: {
  readonly calls?: readonly SceneCall[]
  readonly audit?: readonly SceneEvent[]
  readonly lines?: readonly (Readonly<Record<string, unknown>> & { readonly at: string })[]
  /** Of model servers, which the ledger has if there is one. */
  readonly steps?: readonly ServiceStep[]
  /** Calls that the log has; usually all. */
  readonly logged?: readonly SceneCall[]
}): Scene {
  const db = newPath()
  const log = join(dirname(db), 'gateway.log')
  if (calls !== undefined) {
    const opened = openLedgerFile({ path: db, nowMs, busyTimeoutMs: 100 })
    if (opened.kind !== 'open') throw new Error(opened.reason)
    for (const [index, { at, ...call }] of calls.entries())
      opened.file.write({ seq: index + 1, rows: rowsOf([call], Date.parse(at)), lostSums: [] })
    opened.file.write({ seq: calls.length + 1, rows: [], lostSums: [], steps })
    opened.file.end(nowMs)
    opened.file.close()
  }
  if (audit !== undefined) writeAudit(dirname(db), audit)
  if (lines !== undefined) {
    const all = [...lines, ...logged.map(lineOfCall)]
    const texts = all
      .toSorted((one, other) => Date.parse(one.at) - Date.parse(other.at))
      .map(({ at, ...facts }) =>
        JSON.stringify({ level: 'INFO', time: new Date(at).toISOString(), ...facts }),
      )
    writeFileSync(log, texts.map((text) => `${text}\n`).join(''))
  }
  return { db, log }
}

export async function report(
  { db, log }: Scene,
  options: Partial<ReportOptions> & { readonly stdin?: string; readonly hook?: string } = {},
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const { stdin = '', hook, ...others } = options
  const directory = dirname(db)
  const env = { HOME: directory, STATE_DIRECTORY: directory, XDG_RUNTIME_DIR: directory, HOOK: hook }
  const io = recordedIo(env)
  const status = await reportCommand(
    { ...io, stdin: streamOf(stdin) },
    { file: db, paths: servicePaths('user', env) },
    { file: log, zone: 'Europe/Berlin', isJson: false, isCheck: false, nowMs, version: '1.2.3', ...others },
  )
  return { status, ...io.written }
}

async function* streamOf(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
}

function lineOfCall({ at, ...call }: SceneCall) {
  const facts = endedCall(call)
  return { at, event: facts.code?.startsWith('rate_limit') ? facts.code : 'call', ...facts, gateway_ms: 1 }
}

function writeAudit(directory: string, events: readonly SceneEvent[]): void {
  const names = ['user:ann', 'ip:192.0.2.7']
  writeFileSync(join(directory, 'audit-names.json'), JSON.stringify({ version: 1, first: 1, names }))
  let head = noHead
  const lines = events.map(({ at, name, ...event }) => {
    const { line, head: next } = appendLine(
      { severity: 'info', outcome: 'success', attributes: {}, ...event, name: `llm_gateway.${name}` },
      { head, wallMs: Date.parse(at), key: undefined },
    )
    head = next
    return line
  })
  writeFileSync(join(directory, 'audit-2026-11.jsonl'), lines.map((line) => `${line}\n`).join(''))
}
