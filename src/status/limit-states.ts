// How the limits of models stand, a row for each thing that is limited.
import type { ModelReport } from '../admission/admission.ts'
import { shownText } from './shown-text.ts'
import type { LimitState } from './status-report.ts'

/** The providers of a model's targets, and whether all slots of one are taken. */
export interface ProviderSlots {
  readonly providersOf: (model: string) => readonly string[]
  readonly isFull: (provider: string) => boolean
}

export function limitStates(reports: readonly ModelReport[], slots: ProviderSlots): LimitState[] {
  return reports.flatMap((report) => rowsOf(report, fullAt(report.model, slots)))
}

function fullAt(model: string, { providersOf, isFull }: ProviderSlots): string | null {
  const providers = [...new Set(providersOf(model))]
  return providers.length > 0 && providers.every(isFull) ? providers.map(shownText).join(', ') : null
}

function rowsOf(
  { model, limits, used, limitStatus, nextMs, waiting }: ModelReport,
  full_at: string | null,
): LimitState[] {
  const name = { model: shownText(model), full_at }
  const { rpm, tpm, maxParallelRequests } = limits
  const rows: LimitState[] = []
  if (rpm !== undefined) {
    const frees_in_ms = nextMs.requests ?? null
    const resets_in_ms = limitStatus.requests?.resetMs ?? null
    const counted = { dimension: 'requests', used: used.requests, limit: rpm } as const
    rows.push({ ...name, ...counted, waiting, frees_in_ms, resets_in_ms })
  }
  if (tpm !== undefined) {
    const frees_in_ms = nextMs.tokens ?? null
    const resets_in_ms = limitStatus.tokens?.resetMs ?? null
    const counted = { dimension: 'tokens', used: used.tokens, limit: tpm } as const
    rows.push({ ...name, ...counted, waiting, frees_in_ms, resets_in_ms })
  }
  if (maxParallelRequests !== undefined) {
    const counted = { dimension: 'parallel', used: used.parallel, limit: maxParallelRequests } as const
    rows.push({ ...name, ...counted, waiting, frees_in_ms: null, resets_in_ms: null })
  }
  return rows
}
