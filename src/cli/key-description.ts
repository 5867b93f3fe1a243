// How a key is described to people and in JSON: never by its text, of which there is none, nor by its digest.
import { budgetText } from '../clients/keys/key-budgets.ts'
import { describeKey } from '../clients/keys/key-file.ts'
import { formatUsd } from '../ledger/render.ts'
import type { KeyUsage } from './key-usage.ts'
import { counted } from './output.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'

/** What a call with the key's newest secret would meet now. */
export function stateOf(key: KeyRecord, nowMs: number): string {
  if (key.secrets.length === 0) return 'revoked'
  if (key.isDisabled) return 'disabled'
  if (key.expiresMs !== undefined && nowMs >= key.expiresMs) return 'expired'
  if (key.notBeforeMs !== undefined && nowMs < key.notBeforeMs) return 'not valid yet'
  return key.secrets.every(({ untilMs }) => untilMs !== undefined && nowMs >= untilMs) ? 'expired' : 'valid'
}

/** The record with its state, and without digests. @param usage undefined: there is no ledger. */
export function keyJson(key: KeyRecord, nowMs: number, usage: KeyUsage | undefined): Record<string, unknown> {
  const { secrets, ...rest } = describeKey(key)
  const { id, name, role, ...terms } = rest
  const shown = (secrets as Record<string, unknown>[]).map(({ id, created, until }) => ({
    id,
    created,
    until,
    ...(usage !== undefined && useOf(usage, String(id))),
  }))
  const today = usage && todayOf(usage, key)
  return { name, id, role, state: stateOf(key, nowMs), secrets: shown, ...terms, ...(today && { today }) }
}

function useOf({ uses }: KeyUsage, secretId: string): object {
  const use = uses.get(secretId)
  const instant = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString())
  return { first_used: instant(use?.firstMs), last_used: instant(use?.lastMs) }
}

function todayOf({ today }: KeyUsage, { name }: KeyRecord): object {
  const { calls = 0, cost_nano: nano = 0, unpriced = 0 } = today(name) ?? {}
  return { calls, cost_usd: formatUsd(nano), unpriced }
}

/** `12 calls, 0.034 USD`, of today. */
export function todayText({ today }: KeyUsage, { name }: KeyRecord): string {
  const counts = today(name)
  if (counts === undefined) return '-'
  const { calls, cost_nano: nano, unpriced } = counts
  const unknown = unpriced === 0 ? '' : `, ${unpriced} without a price`
  return `${counted(calls, 'call')}, ${formatUsd(nano)} USD${unknown}`
}

/** `never`, or when the newest call with any of its secrets ended. */
export function lastUseText({ uses }: KeyUsage, { secrets }: KeyRecord): string {
  const last = Math.max(0, ...secrets.map(({ id }) => uses.get(id)?.lastMs ?? 0))
  return last === 0 ? 'never' : momentText(last)
}

/** `60 rpm, 4 parallel, 5usd/day`; empty without limits. */
export function limitsText({ terms }: KeyRecord): string {
  const { rpm, tpm, maxParallelRequests, budgets } = terms
  const limits = [
    rpm === undefined ? undefined : `${rpm} rpm`,
    tpm === undefined ? undefined : `${tpm} tpm`,
    maxParallelRequests === undefined ? undefined : `${maxParallelRequests} parallel`,
    ...budgets.map(budgetText),
  ]
  return limits.filter((each) => each !== undefined).join(', ')
}

export function modelsText({ terms: { models } }: KeyRecord): string {
  return models === undefined ? 'every model' : models.length === 0 ? 'no model' : models.join(', ')
}

/** `2026-11-28 12:00 UTC`, to the minute. */
export function momentText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
