// `llm-gateway audit tail`, `verify` and `export`: read the log of security events, whether or not a gateway runs.
import { resolve } from 'node:path'
import { AuditNames } from '../observe/audit/names.ts'
import { type AuditHead, type AuditRecord, readLine } from '../observe/audit/chain.ts'
import { auditLines, verifyAudit } from '../observe/audit/verify.ts'
import { printable, printableJson } from '../platform/printable.ts'
import type { ServicePaths } from '../systemd/scope.ts'
import { openAuditKeyHere } from './record-keys.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { chosenConfig } from './secret-setting.ts'
import { stateDirectoryOf } from './state-directory.ts'

/** @returns the exit status: 0, or 1 where there is no log. */
export async function auditTailCommand(
  io: CommandIo,
  paths: ServicePaths,
  { lines: wanted, isJson }: { readonly lines: number; readonly isJson: boolean },
): Promise<number> {
  return withLog(io, paths, async (directory) => {
    const out = new Output(io.stdout, io.env)
    const names = namesOf(directory, io)
    const last: string[] = []
    for await (const line of auditLines(directory)) {
      last.push(line)
      if (last.length > wanted) last.shift()
    }
    for (const line of last) {
      const record = readLine(line)
      if (isJson) io.stdout.write(`${printableJson(line)}\n`)
      else if (record === undefined)
        out.line(out.styled('red', 'a line that cannot be read; see audit verify'))
      else out.line(describe(record, names, out))
    }
    return last.length > 0 ? 0 : reportAbsent(io, directory)
  })
}

/** @returns the exit status: 0 when the log is whole, else 1. */
export async function auditVerifyCommand(
  io: CommandIo,
  paths: ServicePaths,
  {
    anchors,
    isJson,
    config,
  }: {
    readonly anchors: readonly AuditHead[]
    readonly isJson: boolean
    /** Beside which the key of the chain is stored. Undefined: that of the gateway. */
    readonly config: string | undefined
  },
): Promise<number> {
  return withLog(io, paths, async (directory) => {
    const opened = await openAuditKeyHere(io.env, paths, resolve(chosenConfig({ io, paths, config })))
    const key = opened.kind === 'opened' ? opened.key : undefined
    const { lines, head, fault, anchoredTo, keyedFrom } = await verifyAudit(directory, key, anchors)
    const out = new Output(io.stdout, io.env)
    if (isJson) {
      out.json({
        lines,
        head: head ?? null,
        fault: fault ?? null,
        anchored_to: anchoredTo ?? null,
        keyed: keyedFrom !== undefined,
        keyed_from: keyedFrom ?? null,
      })
    } else {
      const anchored = anchoredTo === undefined ? 'not anchored' : `anchored to ${anchoredTo}`
      const keyed = keyedFrom === undefined ? 'unkeyed' : `keyed from ${keyedFrom}`
      out.line(`${counted(lines, 'event')}, intact to ${head?.seq ?? 0}, ${anchored}, ${keyed}`)
      if (key !== undefined && keyedFrom === undefined)
        out.line(
          'A key is stored, and no line was written with it: the gateway uses it from its next start on.',
        )
      if (fault !== undefined) out.line(out.styled('red', `${directory}/${printable(fault)}`))
      if (fault !== undefined && opened.kind === 'refused') out.line(printable(opened.message))
    }
    if (lines === 0 && fault === undefined) return reportAbsent(io, directory)
    return fault === undefined ? 0 : 1
  })
}

/** @returns the exit status: 0, or 1 where there is no log. */
export async function auditExportCommand(
  io: CommandIo,
  paths: ServicePaths,
  { format, sinceMs }: { readonly format: 'otlp' | 'ecs'; readonly sinceMs: number },
): Promise<number> {
  return withLog(io, paths, async (directory) => {
    const names = namesOf(directory, io)
    const exported = format === 'otlp' ? asOtlp : asEcs
    for await (const line of auditLines(directory)) {
      const record = readLine(line)
      if (record === undefined || Date.parse(record.time) < sinceMs) continue
      io.stdout.write(`${printableJson(JSON.stringify(exported(record, withNames(record, names))))}\n`)
    }
    return 0
  })
}

async function withLog(
  io: CommandIo,
  paths: ServicePaths,
  run: (directory: string) => Promise<number>,
): Promise<number> {
  const state = stateDirectoryOf(undefined, paths, io.env)
  const err = new Output(io.stderr, io.env)
  if (state === undefined) {
    err.line('error: there is no state directory: set STATE_DIRECTORY or HOME')
    return 1
  }
  try {
    return await run(state.path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    err.line(`error: ${printable(message)}; run this as the user of the gateway`)
    return 1
  }
}

function reportAbsent(io: CommandIo, directory: string): number {
  const message = `there is no audit log in ${directory}; audit.enabled in the configuration turns it on`
  new Output(io.stderr, io.env).line(`error: ${printable(message)}`)
  return 1
}

/** Undefined, with the reason on standard error, where numbers have to do. */
function namesOf(directory: string, io: CommandIo): AuditNames | undefined {
  const names = AuditNames.read(directory, Date.now())
  if (names instanceof AuditNames) return names
  new Output(io.stderr, io.env).line(`warning: ${printable(names.fault)}`)
  return undefined
}

type Attributes = Readonly<Record<string, unknown>>

/** Attributes that hold the number of a name. */
const named: ReadonlySet<string> = new Set(['client', 'actor'])

function withNames({ attributes }: AuditRecord, names: AuditNames | undefined): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      name,
      named.has(name) && typeof value === 'number' ? (names?.nameOf(value) ?? `name ${value}`) : value,
    ]),
  )
}

function describe(record: AuditRecord, names: AuditNames | undefined, out: Output): string {
  const { seq, time, event_name: name, outcome } = record
  const facts = Object.entries(withNames(record, names)).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const event = name.replace(/^llm_gateway\./, '')
  const shown = outcome === 'failure' ? out.styled('yellow', event) : event
  return printable(`${String(seq).padStart(5)}  ${time}  `) + shown + printable(`  ${facts.join(' ')}`)
}

/** A LogRecord in the JSON form of OTLP: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
function asOtlp(record: AuditRecord, attributes: Attributes): object {
  const {
    seq,
    time_unix_nano: nanos,
    event_name: eventName,
    severity_number: severityNumber,
    outcome,
  } = record
  const all = { ...attributes, 'audit.seq': seq, 'audit.mac': record.mac, outcome }
  const logRecord = {
    timeUnixNano: nanos,
    severityNumber,
    eventName,
    attributes: Object.entries(all).map(([key, value]) => ({ key, value: otlpValue(value) })),
  }
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'llm-gateway' } }] }
  const scopeLogs = [{ scope: { name: 'llm-gateway.audit' }, logRecords: [logRecord] }]
  return { resourceLogs: [{ resource, scopeLogs }] }
}

function otlpValue(value: unknown): object {
  if (Array.isArray(value)) return { arrayValue: { values: value.map(otlpValue) } }
  if (typeof value === 'boolean') return { boolValue: value }
  // 64-bit integers are texts in this form.
  if (typeof value === 'number') return { intValue: String(value) }
  return { stringValue: String(value) }
}

/** The fields that the closed lists of ECS have for an event; others stay empty. https://www.elastic.co/docs/reference/ecs/ecs-event */
function asEcs(record: AuditRecord, attributes: Attributes): object {
  const { seq, time, event_name: action, outcome, severity_number: severity, mac } = record
  const kind = ecsKinds.find(({ pattern }) => pattern.test(action))
  const { client, actor, ...others } = attributes
  const user = actor ?? client
  return {
    '@timestamp': time,
    ecs: { version: '9.2.0' },
    event: {
      kind: 'event',
      action,
      outcome,
      severity,
      sequence: seq,
      hash: mac,
      ...(kind && { category: kind.category, type: kind.type }),
    },
    service: { name: 'llm-gateway' },
    ...(user !== undefined && { user: { name: user } }),
    llm_gateway: others,
  }
}

interface EcsKind {
  readonly pattern: RegExp
  readonly category: readonly string[]
  readonly type: readonly string[]
}

const ecsKinds: readonly EcsKind[] = [
  { pattern: /\.request\.refused$/, category: ['web'], type: ['access', 'denied'] },
  { pattern: /\.limit\.hit$/, category: ['web'], type: ['access', 'denied'] },
  { pattern: /\.config\./, category: ['configuration'], type: ['change'] },
  { pattern: /\.gateway\.started$/, category: ['process'], type: ['start'] },
  { pattern: /\.gateway\.stopped$/, category: ['process'], type: ['end'] },
  { pattern: /\.key\.created$/, category: ['iam'], type: ['user', 'creation'] },
  { pattern: /\.key\.(revoked|deleted)$/, category: ['iam'], type: ['user', 'deletion'] },
  { pattern: /\.key\./, category: ['iam'], type: ['user', 'change'] },
]
