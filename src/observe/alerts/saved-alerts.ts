// What outlives a restart: the conditions that hold, and what waits to be sent. Without it, a restart would report everything
// again. It is a convenience: a file that cannot be read counts as empty.
import { alertRules, type AlertRule } from '../../config/observe-types.ts'
import { isObject, membersOf } from '../../bytes/json/parse.ts'
import { StateFile } from '../../platform/state-file.ts'
import { readValue } from '../../platform/state-version.ts'
import { type Severity, severities } from './attention.ts'
import type { SavedCondition } from './conditions.ts'
import { type Notice, noticeKinds } from './notice.ts'

export interface SavedAlerts {
  readonly conditions: readonly SavedCondition[]
  /** By the name of the sink. */
  readonly waiting: ReadonlyMap<string, readonly Notice[]>
}

export interface AlertsFileParts {
  /** Created, for this user alone, when missing. */
  readonly directory: string
  readonly content: () => SavedAlerts
  /** Called for each failed read and write. */
  readonly onFault: (cause: Error) => void
}

const version = 1
const nothing: SavedAlerts = { conditions: [], waiting: new Map() }

export class AlertsFile {
  readonly #parts: AlertsFileParts
  readonly #file: StateFile
  #writing: Promise<void> | undefined
  #hasNews = false
  /** Most gateways have nothing to write, and then there is no file. */
  #isThere = true

  constructor(parts: AlertsFileParts) {
    this.#parts = parts
    this.#file = new StateFile(parts.directory, 'alerts.json')
  }

  load(): SavedAlerts {
    const read = readValue(this.#file, { current: version })
    this.#isThere = read.kind !== 'absent'
    if (read.kind === 'unreadable') this.#parts.onFault(new Error(`${this.#file.path} ${read.reason}`))
    return read.kind === 'read' ? savedAlertsIn(read.value) : nothing
  }

  /** Something has changed: it will be in the file soon. */
  touch(): void {
    this.#hasNews = true
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined))
  }

  /** Resolves when everything is written. */
  async saved(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    const { content, onFault } = this.#parts
    try {
      while (this.#hasNews) {
        this.#hasNews = false
        const { conditions, waiting } = content()
        const isEmpty = conditions.length === 0 && [...waiting.values()].every((list) => list.length === 0)
        if (isEmpty && !this.#isThere) continue
        this.#isThere = true
        await this.#file.replace(
          JSON.stringify({ version, conditions, waiting: Object.fromEntries(waiting) }),
        )
      }
    } catch (cause) {
      onFault(cause instanceof Error ? cause : new Error(String(cause)))
    }
  }
}

/** The well-formed entries of a file. */
function savedAlertsIn(value: unknown): SavedAlerts {
  const { conditions, waiting } = membersOf(value)
  const lists = Object.entries(membersOf(waiting)).map(
    ([sink, list]) => [sink, listOf(list).filter(isNotice)] as const,
  )
  return { conditions: listOf(conditions).filter(isCondition), waiting: new Map(lists) }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isNotice(value: unknown): value is Notice {
  if (!isObject(value) || !hasTexts(value, ['rule', 'subject', 'what', 'why', 'fix', 'at', 'since']))
    return false
  const { kind, severity, at, since } = value
  return (
    noticeKinds.includes(kind as Notice['kind']) &&
    isSeverity(severity) &&
    !isNaN(Date.parse(String(at))) &&
    !isNaN(Date.parse(String(since)))
  )
}

function isCondition(value: unknown): value is SavedCondition {
  if (!isObject(value) || !hasTexts(value, ['subject', 'what', 'why', 'fix'])) return false
  const { rule, state, severity, changesMs, isUnsteady } = value
  const isRule = alertRules.includes(rule as AlertRule)
  const areTimes = [value['sinceMs'], value['sentMs'], value['tallied'], ...listOf(changesMs)].every((each) =>
    Number.isFinite(each),
  )
  const isState = state === 'firing' || state === 'clear'
  return (
    isRule &&
    isState &&
    isSeverity(severity) &&
    areTimes &&
    Array.isArray(changesMs) &&
    typeof isUnsteady === 'boolean'
  )
}

function hasTexts(value: Readonly<Record<string, unknown>>, names: readonly string[]): boolean {
  return names.every((name) => typeof value[name] === 'string')
}

function isSeverity(value: unknown): value is Severity {
  return severities.includes(value as Severity)
}
