// The rules for the members of a model's requests, as people read them.
import type { MemberRule } from '../domain.ts'

/** One text for each: `set top_k: 40`, `default /a/b: true`, `drop seed`. */
export function requestTexts(rules: readonly MemberRule[], above = ''): string[] {
  return rules.flatMap((rule) => {
    const pointer = `${above}/${rule.name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (rule.kind === 'within') return requestTexts(rule.rules, pointer)
    const name = above === '' && !rule.name.startsWith('/') ? rule.name : pointer
    return rule.kind === 'drop' ? `drop ${name}` : `${rule.kind} ${name}: ${rule.json}`
  })
}
