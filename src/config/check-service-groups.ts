// Rules about model servers that share something: every member of a group gets its turn.
import { closestName } from '../platform/did-you-mean.ts'
import { defaults } from './defaults.ts'
import { type HasProblem, type Path, type PathProblem, quoted } from './problems.ts'
import type { RawConfig, RawService, RawServices } from './raw.ts'

/** @param services by the name of their provider. */
export function* groupProblems(
  raw: RawConfig,
  services: ReadonlyMap<string, RawService>,
  hasProblem: HasProblem,
): Generator<PathProblem> {
  const isFaulty = (provider: string) => hasProblem(['providers', provider, 'service'])
  const groupOf = new Map<string, string>()
  for (const [group, settings] of Object.entries(raw.services?.groups ?? {})) {
    const path = ['services', 'groups', group]
    // Of a list with a fault nothing is left.
    if (hasProblem([...path, 'members'])) continue
    const { members = [] } = settings
    let hasFault = hasProblem(path)
    for (const [index, member] of members.entries()) {
      const fault =
        (isFaulty(member) ? undefined : memberFault(member, raw, services)) ??
        otherGroupFault(groupOf.get(member), group, member)
      hasFault ||= fault !== undefined || isFaulty(member)
      if (fault !== undefined) {
        yield { path: [...path, 'members', index], ...fault }
      }
      groupOf.set(member, group)
    }
    if (hasFault) continue
    const known = members.flatMap((member) => services.get(member) ?? [])
    yield* roomProblems({ ...defaults.serviceGroup, ...settings }, known, path)
  }
}

interface Fault {
  readonly message: string
  readonly hint: string
}

function memberFault(
  member: string,
  { providers = {}, models = {} }: RawConfig,
  services: ReadonlyMap<string, RawService>,
): Fault | undefined {
  if (services.has(member)) return undefined
  if (Object.hasOwn(providers, member)) {
    return {
      message: `the provider ${quoted(member)} has no service, so the gateway can't stop it for others`,
      hint: `add providers.${member}.service, or remove it here`,
    }
  }
  const message = `there is no provider ${quoted(member)}`
  const served = Object.hasOwn(models, member) ? models[member]?.provider : undefined
  if (served !== undefined && services.has(served)) {
    return { message, hint: `it is a model: write the name of its provider, ${served}` }
  }
  const near = closestName(member, [...services.keys()])
  const hint =
    near === undefined ? 'write the name of a provider with a service' : `did you mean ${quoted(near)}?`
  return { message, hint }
}

function otherGroupFault(other: string | undefined, group: string, member: string): Fault | undefined {
  if (other === undefined) return undefined
  if (other === group) return { message: `${quoted(member)} stands twice in this group`, hint: 'remove one' }
  return {
    message: `${quoted(member)} is a member of the group ${quoted(other)} already`,
    hint: 'keep it in one of them, or make them one group',
  }
}

function* roomProblems(
  group: Required<Omit<NonNullable<RawServices['groups']>[string], 'members'>>,
  members: readonly RawService[],
  path: Path,
): Generator<PathProblem> {
  const { running, min_run_ms: minRunMs, max_run_ms: maxRunMs } = group
  if (minRunMs > maxRunMs) {
    yield {
      path: [...path, 'min_run_ms'],
      message: `must not be more than max_run_ms (${maxRunMs}), not ${minRunMs}`,
      hint: 'lower it, or raise max_run_ms',
    }
  }
  const kept = members.filter(({ keep }) => keep === true).length
  const boot = members.filter(({ start }) => start === 'boot').length
  if (members.length <= running && members.length > 1) {
    yield {
      path: [...path, 'running'],
      message: `has no effect: all ${members.length} members may run at once`,
      hint: 'lower it, or remove the group',
      severity: 'warning',
      at: 'key',
    }
  }
  if (kept > running || (kept === running && members.length > kept)) {
    yield {
      path: [...path, 'running'],
      message: `${count(kept, 'member')} with keep: true would leave no room for the others (running: ${running})`,
      hint: 'raise running, or remove keep from one of them',
    }
  } else if (boot > running) {
    yield {
      path: [...path, 'running'],
      message: `${count(boot, 'member')} with start: boot do not all fit (running: ${running})`,
      hint: 'raise running, or remove start: boot from one of them',
    }
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
