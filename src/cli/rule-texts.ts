// The rules of a model, as people read them: which other model answers, and what is changed in requests.
import type { ModelConfig } from '../config/types.ts'
import type { MemberRule } from '../domain.ts'
import { conditionsOf } from '../routing/when-rules.ts'

/** In their order; the last one leads all other calls on. */
export function ruleTexts({ when = [], use }: Pick<ModelConfig, 'use' | 'when'>): string[] {
  const rules = when.map((rule) => `${conditionsOf(rule)} → ${rule.use}`)
  return use === undefined ? rules : [...rules, `${rules.length > 0 ? 'else ' : ''}→ ${use}`]
}

/** One text for each: `set top_k: 40`, `default /a/b: true`, `drop seed`. */
export function requestTexts(rules: readonly MemberRule[], above = ''): string[] {
  return rules.flatMap((rule) => {
    const pointer = `${above}/${rule.name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (rule.kind === 'within') return requestTexts(rule.rules, pointer)
    const name = above === '' && !rule.name.startsWith('/') ? rule.name : pointer
    return rule.kind === 'drop' ? `drop ${name}` : `${rule.kind} ${name}: ${rule.json}`
  })
}
