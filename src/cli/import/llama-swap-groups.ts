// Groups of llama-swap: which servers run together. Without any, one runs at a time.
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'

/** @param providers the provider of each model. */
export function addGroups(root: Foreign, draft: Draft, providers: ReadonlyMap<string, string>): void {
  const places = [root.get('groups'), root.at('routing', 'router', 'settings', 'groups')]
  const alone = new Set(providers.keys())
  const taking: string[] = []
  for (const [name, group] of places.flatMap((place) => place.members())) {
    const members = group.get('members').texts()
    for (const member of members) alone.delete(member)
    const swap = group.get('swap').boolean() ?? true
    const isExclusive = group.get('exclusive').boolean() ?? true
    const isPersistent = group.get('persistent').boolean() ?? false
    const known = members.flatMap((member) => providers.get(member) ?? [])
    if (isPersistent) {
      for (const provider of known) keep(provider, draft)
    }
    if (!swap) {
      draft.changed(
        group,
        undefined,
        `its servers run together, so it is not a group here${isExclusive && !isPersistent ? '; they are not stopped for others' : ''}`,
      )
    } else if (isExclusive && !isPersistent) {
      taking.push(...known)
      draft.changed(
        group,
        undefined,
        'it takes turns with all other exclusive groups: together they are one group here, named default',
      )
    } else addGroup(name, known, draft)
  }
  taking.push(...[...alone].flatMap((model) => providers.get(model) ?? []))
  addGroup('default', taking, draft)
}

function keep(provider: string, draft: Draft): void {
  const service = draft.services.get(provider)
  if (service === undefined) return
  const { stop_after_idle_ms: _, ...rest } = service
  draft.services.set(provider, { ...rest, keep: true })
}

function addGroup(name: string, providers: readonly string[], draft: Draft): void {
  const members = [...new Set(providers)].filter((provider) => {
    const service = draft.services.get(provider)
    // One that is never stopped would leave no room for the others.
    return service !== undefined && service.keep !== true
  })
  if (members.length < 2) return
  const atBoot = members.filter((provider) => draft.services.get(provider)?.start === 'boot')
  for (const provider of atBoot.slice(1)) {
    const { start: _, ...service } = draft.services.get(provider)!
    draft.services.set(provider, service)
    draft.notes.push({
      kind: 'changed',
      from: ['hooks', 'on_startup', 'preload'],
      to: ['providers', provider],
      text: 'only one server of a group is started with the gateway',
    })
  }
  const free = Object.hasOwn(draft.groups, name) ? `${name}-2` : name
  draft.groups[free] = { members, running: 1 }
}
