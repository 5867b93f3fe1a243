// Which other model answers a call, by the rules of the model that it asks for (`when`, `use`).
import type { ModelConfig, WhenRule } from '../config/types.ts'

/** What rules look at. Each is found out when a rule asks for it. */
export interface RuledCall {
  /** As estimated. */
  readonly promptTokens: () => number | Promise<number>
  readonly hasImages: () => boolean
  readonly hasTools: () => boolean
  readonly asksThinking: () => boolean
}

/** The condition that has decided, for the log: `prompt_tokens_over: 60000`, `images: true`; undefined: none, but `use`. */
export interface Led {
  readonly use: string
  readonly rule: string | undefined
}

/** Whether calls of a model may be led to another one. */
export function hasRules({ when, use }: Pick<ModelConfig, 'use' | 'when'>): boolean {
  return when !== undefined || use !== undefined
}

/**
 * The first rule that fits the call, else what the model leads all others to. Undefined: it answers the call itself.
 * @param mayUse whether a model exists, and the client may use it; a rule for another one is passed over.
 */
export async function leadOf(
  { when = [], use }: Pick<ModelConfig, 'use' | 'when'>,
  call: RuledCall,
  mayUse: (name: string) => boolean | Promise<boolean>,
): Promise<Led | undefined> {
  for (const rule of when) {
    if ((await fits(rule, call)) && (await mayUse(rule.use))) {
      return { use: rule.use, rule: conditionsOf(rule) }
    }
  }
  return use === undefined ? undefined : { use, rule: undefined }
}

/** The estimate comes last: it may take another thread. */
async function fits(
  { promptTokensOver, images, tools, thinking }: WhenRule,
  { promptTokens, hasImages, hasTools, asksThinking }: RuledCall,
): Promise<boolean> {
  if (images !== undefined && hasImages() !== images) return false
  if (tools !== undefined && hasTools() !== tools) return false
  if (thinking !== undefined && asksThinking() !== thinking) return false
  return promptTokensOver === undefined || (await promptTokens()) > promptTokensOver
}

/** As the configuration writes them. */
export function conditionsOf({ promptTokensOver, images, tools, thinking }: WhenRule): string {
  const conditions = { prompt_tokens_over: promptTokensOver, images, tools, thinking }
  return Object.entries(conditions)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ')
}
