// Rules of a model for its calls: which other model answers them (`when`, `use`), and what is changed in requests (`request`).
import type { MemberRule } from '../domain.ts'
import type { RawModel } from './raw.ts'
import type { ModelConfig } from './types.ts'

export function resolveRules({ when = [], use }: RawModel): Pick<ModelConfig, 'use' | 'when'> {
  const rules = when.map(({ prompt_tokens_over: promptTokensOver, ...rest }) => ({
    ...(promptTokensOver !== undefined && { promptTokensOver }),
    ...rest,
  }))
  return { ...(rules.length > 0 && { when: rules }), ...(use !== undefined && { use }) }
}

type RawRequest = NonNullable<RawModel['request']>

/** Undefined: nothing is changed. */
export function resolveRequest({ default: usual = {}, set = {}, drop = [] }: RawRequest): {
  request?: readonly MemberRule[]
} {
  const root: Names = new Map()
  for (const name of drop) place(root, namesIn(name), { kind: 'drop' })
  for (const [name, value] of Object.entries(usual)) place(root, namesIn(name), { kind: 'default', value })
  for (const [name, value] of Object.entries(set)) place(root, namesIn(name), { kind: 'set', value })
  return root.size === 0 ? {} : { request: rulesOf(root).map(withOtherNames) }
}

type Action = { readonly kind: 'drop' } | { readonly kind: 'default' | 'set'; readonly value: unknown }
type Names = Map<string, Action | Names>

/** Names that formats and servers have for the cap of an answer. */
const outputCaps = ['max_completion_tokens', 'max_output_tokens', 'max_tokens', 'n_predict', 'num_predict']

/** A name as it stands, or the names on the way that a JSON pointer describes (RFC 6901). */
export function namesIn(member: string): string[] {
  if (!member.startsWith('/')) return [member]
  return member
    .slice(1)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The check has made sure that no two of them are in each other's way. */
function place(names: Names, [name = '', ...rest]: readonly string[], action: Action): void {
  if (rest.length === 0) {
    names.set(name, action)
    return
  }
  const known = names.get(name)
  const within: Names = known instanceof Map ? known : new Map()
  names.set(name, within)
  place(within, rest, action)
}

/** A second cap would contradict the client's, or have its request refused. */
function withOtherNames(rule: MemberRule): MemberRule {
  if (rule.kind !== 'default' || !outputCaps.includes(rule.name)) return rule
  return { ...rule, unless: outputCaps.filter((name) => name !== rule.name) }
}

function rulesOf(names: Names): MemberRule[] {
  return Array.from(names, ([name, action]): MemberRule => {
    if (action instanceof Map) return { kind: 'within', name, rules: rulesOf(action) }
    return action.kind === 'drop'
      ? { kind: 'drop', name }
      : { kind: action.kind, name, json: JSON.stringify(action.value) }
  })
}
