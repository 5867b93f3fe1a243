// `POST /-/usage` of the control channel: the question of `llm-gateway usage --all`, and its answer.
import {
  type MergedDimension,
  type UsageCounts,
  type UsageQuestion,
  type UsageReport,
} from '../../ledger/report.ts'
import { renderReport } from '../../ledger/render.ts'
import type { MachineUsage } from './usage-of-all.ts'
import { readQuestionOf } from './usage-messages.ts'

/** As the command gets it: costs in nano-USD and as text. */
export interface UsageOfAllJson {
  readonly since: string
  readonly until: string
  readonly zone: string
  readonly data: readonly (Readonly<Record<string, string | number | null>> & UsageCounts)[]
  readonly total: UsageCounts
  readonly is_cut?: true
  readonly machines: readonly MachineUsageJson[]
}

export interface MachineUsageJson {
  readonly name: string
  readonly id: string
  readonly state: MachineUsage['state']
  readonly reason: string | null
  readonly calls: number | null
  /** Null: of this machine. */
  readonly last_seen: string | null
}

/** @returns the reason as a text where it is none. */
export function readQuestionOfAll({
  question: asked,
  by,
}: Readonly<Record<string, unknown>>): { question: UsageQuestion; by: MergedDimension[] } | string {
  const question = readQuestionOf(asked)
  if (typeof question === 'string') return `That is not a question of this version: ${question}.`
  const known: readonly unknown[] = [...question.by, 'machine']
  const named = Array.isArray(by) ? by.filter((name) => known.includes(name)) : []
  return { question, by: named as MergedDimension[] }
}

export function usageJson(report: Omit<UsageReport, 'ledgerId'>): object {
  return renderReport(report)
}

export function machineUsageJson({
  name,
  id,
  state,
  reason,
  total,
  lastSeenMs,
}: MachineUsage): MachineUsageJson {
  const lastSeen = lastSeenMs === Infinity ? null : new Date(lastSeenMs).toISOString()
  return { name, id, state, reason: reason ?? null, calls: total?.calls ?? null, last_seen: lastSeen }
}
