// The members of a request on their way through a translation.
import type { JsonView } from '../../bytes/json/view.ts'

/** By their decoded names. */
export type Members = ReadonlyMap<string, JsonView>

/** A member that is there. Many clients write null for what they do not set, so null counts as absent. */
export function memberIn(members: Members, name: string): JsonView | undefined {
  return present(members.get(name))
}

/** The value, unless it is null. */
export function present(view: JsonView | undefined): JsonView | undefined {
  return view?.kind === 'null' ? undefined : view
}
