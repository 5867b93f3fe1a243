// The providers of the report as text: `llm-gateway providers`.
import { spaced, wordsIn } from './outcome-words.ts'
import { stateWords } from './state-words.ts'
import type { ProviderState } from './status-report.ts'
import { columns } from './text-columns.ts'

/** @returns lines without their ends. */
export function providersText(providers: readonly ProviderState[]): string[] {
  return providers.flatMap((provider, index) => [...(index === 0 ? [] : ['']), ...lines(provider)])
}

function lines(provider: ProviderState): string[] {
  const { name, kind, origin, served, models } = provider
  const unshown = Math.max(0, Math.max(models, served.length) - served.length)
  return [
    `${name} (${kind})${origin === null ? '' : ` ${origin}`}: ${stateText(provider)}`,
    `  ${workWords(provider)}`,
    ...(served.length === 0
      ? []
      : columns(
          ['model', 'context', 'state', 'takes'],
          served.map((model) => [
            model.name,
            model.context_length === null ? '-' : `${model.context_length}`,
            model.state ?? '-',
            model.takes?.join(', ') ?? '-',
          ]),
        )),
    ...(unshown === 0 ? [] : [`  and ${unshown} more that it lists`]),
  ]
}

function stateText(provider: ProviderState): string {
  const { state, trouble, is_sleeping, reason } = provider
  const sleep = is_sleeping ? ', sleeping: its next call waits for the model to load' : ''
  const isWrong = trouble !== null || state === 'failing'
  return `${providerText(provider)}${isWrong && reason !== null ? `: ${reason}` : ''}${sleep}`
}

/** Its state, with what is wrong: `cooling down (missing model)`. */
export function providerText({ state, trouble }: Pick<ProviderState, 'state' | 'trouble'>): string {
  return `${wordsIn(stateWords, state)}${trouble === null ? '' : ` (${spaced(trouble)})`}`
}

/** What it does now, and has done in the last 15 minutes. */
function workWords(provider: ProviderState): string {
  const { in_flight, max_parallel, slots, waiting, cached_share } = provider
  const most = max_parallel ?? slots
  return [
    `${in_flight}${most === null ? '' : ` of ${most}`} ${most === null ? 'under way' : 'slots in use'}`,
    `${waiting} in line`,
    `from its cache ${cached_share === null ? '-' : `${Math.round(cached_share * 100)} %`}`,
    `reads ${perSecond(provider.prompt_per_second)}`,
    `writes ${perSecond(provider.tokens_per_second)}`,
  ].join(', ')
}

function perSecond(rate: number | null): string {
  return rate === null ? '-' : `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`
}
