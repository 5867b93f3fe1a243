// Problems of a provider's entry with the formats that its server speaks.
import { quoted, type Path, type PathProblem } from './problems.ts'
import type { RawProvider, RawTranslation } from './raw.ts'

type Format = 'chat' | 'messages'

/** Settings that bear on one format only. */
const formatOf: Partial<Record<keyof RawTranslation, Format>> = {
  max_tokens_field: 'chat',
  default_max_tokens: 'messages',
  system_role: 'chat',
  text_parts: 'chat',
  reasoning_field: 'chat',
  think_tags: 'chat',
  thinking: 'messages',
  cache_prompts: 'messages',
}

/** Warnings: settings without effect, and a kind that does not fit the address. */
export function* formatProblems(provider: RawProvider, path: Path): Generator<PathProblem> {
  const { kind, base_url: url, translation = {} } = provider
  const isAnthropics = url !== undefined && URL.parse(url)?.hostname === 'api.anthropic.com'
  if (isAnthropics && kind !== 'anthropic') {
    yield {
      path: [...path, kind === undefined ? 'base_url' : 'kind'],
      message:
        "is Anthropic's, whose own format carries more than the one that it offers for OpenAI's clients",
      hint: 'write kind: anthropic',
      severity: 'warning',
    }
  }
  const spoken = spokenBy(provider)
  for (const key of Object.keys(translation) as (keyof RawTranslation)[]) {
    const format = formatOf[key]
    if (format === undefined || spoken === undefined || spoken.includes(format)) continue
    yield {
      path: [...path, 'translation', key],
      message: `has no effect: ${quoted(key)} is for ${format}, which this provider does not speak`,
      hint: `remove it, or add ${format} to speaks`,
      at: 'key',
      severity: 'warning',
    }
  }
}

/** Undefined: it is probed. */
function spokenBy({ kind, speaks = 'auto' }: RawProvider): readonly string[] | undefined {
  if (speaks !== 'auto') return speaks
  return kind === 'anthropic' ? ['messages'] : undefined
}
