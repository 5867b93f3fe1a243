// Which calls count as failures, for the report and for the page.

/**
 * Whether a call has failed. A client that left, or a person who cancelled the call, decided so.
 * @param call.outcome one of `observe/outcome.ts`.
 */
export function hasFailed({ outcome, code }: FailedCall): boolean {
  return outcome !== 'ok' && outcome !== 'client_gone' && code !== 'call_cancelled'
}

/** Whose failure it is; null: no provider was asked, or all of several have failed. */
export function failedProvider(outcome: string, provider: string | null | undefined): string | null {
  return outcome === 'no_target' ? null : (provider ?? null)
}

interface FailedCall {
  readonly outcome: string
  readonly code?: string | null | undefined
}
