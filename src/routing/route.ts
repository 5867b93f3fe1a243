// Where a name leads: a model, and its targets.
import type { ModelConfig } from '../config/types.ts'
import type { Target } from '../domain.ts'

export interface Route {
  readonly model: ModelConfig
  /** Which kind of name matched. `discovered`: one that a provider lists. */
  readonly rule: 'name' | 'alias' | 'wildcard' | 'discovered'
  /**
   * The model's targets; `*` is replaced with the part that the wildcard matches. Of a model without any (`use`): those of the
   * one that it leads to, as far as that is known.
   */
  readonly targets: readonly Target[]
}

/** A model by a name that leads to it. */
export interface NamedRoute {
  readonly name: string
  readonly route: Route
}
