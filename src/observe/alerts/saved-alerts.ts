// What outlives a restart: the conditions that hold, and what waits to be sent. Without it, a restart would report everything
// again. It is a convenience: a file that cannot be read counts as empty.
import { alertRules, type AlertRule } from '../../config/observe-types.ts'
import { isObject, membersOf } from '../../bytes/json/parse.ts'
import { StateDocument, type StateDocumentParts } from '../../platform/state-document.ts'
import { type Severity, severities } from './attention.ts'
import type { SavedCondition } from './conditions.ts'
import { type Notice, noticeKinds } from './notice.ts'

export interface SavedAlerts {
  readonly conditions: readonly SavedCondition[]
  /** By the name of the sink. */
  readonly waiting: ReadonlyMap<string, readonly Notice[]>
}

type AlertsFileParts = Pick<StateDocumentParts<SavedAlerts>, 'content' | 'directory' | 'onFault'>

const version = 1

export class AlertsFile extends StateDocument<SavedAlerts> {
  constructor(parts: AlertsFileParts) {
    super({
      ...parts,
      name: 'alerts.json',
      format: { current: version },
      textOf: ({ conditions, waiting }) =>
        JSON.stringify({ version, conditions, waiting: Object.fromEntries(waiting) }),
      contentOf: savedAlertsIn,
      // Most gateways have nothing to write, and then there is no file.
      isEmpty: ({ conditions, waiting }) =>
        conditions.length === 0 && waiting.values().every((list) => list.length === 0),
    })
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
