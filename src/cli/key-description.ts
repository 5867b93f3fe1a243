// How a key is described to people and in JSON: never by its text, of which there is none, nor by its digest.
import { budgetText } from '../clients/keys/key-budgets.ts'
import { describeKey } from '../clients/keys/key-file.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'

/** What a call with the key's newest secret would meet now. */
export function stateOf(key: KeyRecord, nowMs: number): string {
  if (key.secrets.length === 0) return 'revoked'
  if (key.isDisabled) return 'disabled'
  if (key.expiresMs !== undefined && nowMs >= key.expiresMs) return 'expired'
  if (key.notBeforeMs !== undefined && nowMs < key.notBeforeMs) return 'not valid yet'
  return key.secrets.every(({ untilMs }) => untilMs !== undefined && nowMs >= untilMs) ? 'expired' : 'valid'
}

/** The record with its state, and without digests. */
export function keyJson(key: KeyRecord, nowMs: number): Record<string, unknown> {
  const { secrets, ...rest } = describeKey(key)
  const { id, name, role, ...terms } = rest
  const shown = (secrets as Record<string, unknown>[]).map(({ id, created, until }) => ({
    id,
    created,
    until,
  }))
  return { name, id, role, state: stateOf(key, nowMs), secrets: shown, ...terms }
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
