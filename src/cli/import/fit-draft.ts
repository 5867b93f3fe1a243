// Leaves out of a draft what our own checks refuse, until nothing is left to refuse.
import type { Path, PathProblem } from '../../config/problems.ts'
import { textProblems } from '../../config/text-problems.ts'
import { writeCommentedYaml } from '../../config/commented-yaml.ts'
import type { Draft } from './draft.ts'
import { isPlaceholder } from './credentials.ts'

/** Each round removes something, and what it removes may be what something else refers to. */
const maxRounds = 200

/** @returns what is still refused: nothing, unless the whole cannot be mended. */
export function fitDraft(
  draft: Draft,
  machine: { readonly env: NodeJS.ProcessEnv; readonly hasServiceManager: boolean },
): readonly PathProblem[] {
  removeWithheld(draft)
  let problems: readonly PathProblem[] = []
  for (let round = 0; round < maxRounds; round += 1) {
    removeEmpty(draft)
    const { text } = writeCommentedYaml(draft.config, [], { head: [], tail: [] })
    problems = textProblems(text, machine)
    if (problems.length === 0) return []
    let hasRemoved = false
    // From behind, so that indexes of lists stay right.
    for (const problem of sortedFromBehind(problems)) {
      const path = removable(problem.path)
      if (!remove(draft.config, path)) continue
      hasRemoved = true
      draft.notes.push({ kind: 'left_out', from: [], to: path.slice(0, 2), text: reasonOf(path, problem) })
    }
    if (!hasRemoved) return problems
  }
  return problems
}

/** Words of the check without what it quotes from the file. */
function reasonOf(path: Path, { message, hint = '' }: PathProblem): string {
  const keys = path.slice(2).filter((step) => typeof step === 'string').join('.')
  const plain = (text: string) => text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '…').replaceAll(/https?:\/\/\S+/g, '…')
  const advice = hint === '' ? '' : ` (${plain(hint)})`
  return `${keys === '' ? 'it' : keys} is refused by validate-config: ${plain(message)}${advice}`
}

/** What has to go for the value at a path to go: a provider cannot be without its address, nor a target without its provider. */
function removable(path: Path): Path {
  const [section, , key, index] = path
  if (section === 'providers') {
    if (path.length === 3 && (key === 'base_url' || key === 'kind')) return path.slice(0, 2)
    if (key === 'service' || key === 'api_key') return path.slice(0, 3)
  }
  if (section === 'services' && path[1] === 'groups') return path.slice(0, 3)
  if (section === 'models') {
    if (key === 'provider' || key === 'model' || key === 'use') return path.slice(0, 2)
    if ((key === 'targets' || key === 'when') && index !== undefined) return path.slice(0, 4)
  }
  return path
}

function sortedFromBehind(problems: readonly PathProblem[]): readonly PathProblem[] {
  const indexes = ({ path }: PathProblem) => path.filter((step) => typeof step === 'number')
  return problems.toSorted((one, other) => {
    const [a, b] = [indexes(one), indexes(other)]
    const at = a.findIndex((index, position) => index !== b[position])
    return at < 0 ? 0 : (b[at] ?? -1) - a[at]!
  })
}

type Container = Record<string | number, unknown>

function remove(root: object, path: Path): boolean {
  let holder = root as Container
  for (const step of path.slice(0, -1)) {
    if (!Object.hasOwn(holder, step)) return false
    const inner = holder[step]
    if (typeof inner !== 'object' || inner === null) return false
    holder = inner as Container
  }
  const last = path.at(-1)
  if (last === undefined || !Object.hasOwn(holder, last)) return false
  if (Array.isArray(holder)) holder.splice(Number(last), 1)
  else delete holder[last]
  return true
}

/** Lists and mappings that have become empty, and models without a target. */
function removeEmpty(draft: Draft): void {
  const { models } = draft.config
  for (const [name, model] of Object.entries(models)) {
    for (const key of ['targets', 'fallbacks', 'aliases', 'when'] as const) {
      if (model[key]?.length === 0) delete model[key]
    }
    if (model.request !== undefined) {
      for (const key of ['default', 'set', 'drop'] as const) {
        if (Object.keys(model.request[key] ?? {}).length === 0) delete model.request[key]
      }
      if (Object.keys(model.request).length === 0) delete model.request
    }
    if (model.targets === undefined && model.provider === undefined && model.use === undefined) {
      delete models[name]
    }
  }
  const { config } = draft
  for (const [name, limits] of Object.entries(config.rate_limit_settings?.limits ?? {})) {
    if (!Object.hasOwn(models, name) || Object.keys(limits).length === 0) {
      delete config.rate_limit_settings!.limits![name]
    }
  }
  if (Object.keys(config.rate_limit_settings?.limits ?? { none: 1 }).length === 0) delete config.rate_limit_settings!.limits
  for (const key of ['rate_limit_settings', 'server', 'access', 'routing', 'budgets', 'services'] as const) {
    if (config[key] !== undefined && Object.keys(config[key]).length === 0) delete config[key]
  }
  if (Object.keys(models).length === 0) delete (config as Partial<typeof config>).models
}

const leastWithheldLength = 8

/** Whatever repeats a literal credential of the source, wherever it stands. */
function removeWithheld(draft: Draft): void {
  const secrets = [...draft.withheld].filter(
    (text) => text.length >= leastWithheldLength && !isPlaceholder(text) && !/^[a-z]+(?:[-_. ][a-z]+)*$/i.test(text),
  )
  if (secrets.length === 0) return
  const holds = (text: string) => secrets.some((secret) => text.includes(secret))
  const visit = (value: unknown, path: Path): void => {
    if (typeof value === 'string') {
      if (holds(value)) leave(path)
    } else if (Array.isArray(value)) {
      for (let index = value.length - 1; index >= 0; index -= 1) visit(value[index], [...path, index])
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        if (holds(key)) leave([...path, key])
        else visit(member, [...path, key])
      }
    }
  }
  const leave = (path: Path) => {
    const gone = removable(path)
    if (!remove(draft.config, gone)) return
    const isNamed = gone.every((step) => typeof step === 'number' || !holds(step))
    draft.notes.push({
      kind: 'left_out',
      from: [],
      ...(isNamed && { to: gone.slice(0, 2) }),
      text: 'it repeats a literal credential of the file',
    })
  }
  visit(draft.config, [])
  for (const [name, service] of draft.services) {
    if (holds(name) || holds(JSON.stringify(service))) draft.services.delete(name)
  }
}
