// From the model that a call asks for to the one that answers it, by the rules of the first.
import type { ModelRequest } from '../dialects/request.ts'
import type { GatewayError } from '../errors.ts'
import type { AllowedModels } from '../routing/allowed-models.ts'
import { modelNotFound } from '../routing/model-not-found.ts'
import type { NamedRoute, Route } from '../routing/route.ts'
import { leadOf, type RuledCall } from '../routing/when-rules.ts'
import type { Snapshot } from './call.ts'

export interface FollowedRules extends NamedRoute {
  /** The models before it, from the one that was asked for. */
  readonly leading: readonly NamedRoute[]
  /** The last condition that has decided. Undefined: none has. */
  readonly rule: string | undefined
}

type Parts = Pick<Snapshot, 'coordinator' | 'findLate' | 'routes'>

/**
 * Limits, prices, budgets and the ledger count the model that answers; the one that was asked for is no more than a name for it.
 * @returns the error `model_not_found` or `model_not_allowed` if `use` leads to no model, back to one on the way,
 * or to one that the client may not use.
 */
export async function followRules(
  asked: NamedRoute,
  request: ModelRequest,
  allowed: AllowedModels | undefined,
  on: Parts,
): Promise<FollowedRules | GatewayError> {
  const leading: NamedRoute[] = []
  let rule: string | undefined
  let at = asked
  for (;;) {
    const call = ruledCall(at.route, request, on)
    const led = await leadOf(at.route.model, call, async (name) => {
      const route = await find(name, on)
      return route !== undefined && allowed?.has(name, route) !== false
    })
    if (led === undefined) return { ...at, leading, rule }
    const route = await find(led.use, on)
    const isOnTheWay = [...leading, at].some((each) => each.route.model === route?.model)
    if (route === undefined || isOnTheWay) return modelNotFound(led.use, on.routes, allowed)
    if (allowed?.has(led.use, route) === false) return allowed.refusal(led.use)
    leading.push(at)
    rule = led.rule ?? rule
    at = { name: led.use, route }
  }
}

async function find(name: string, { routes, findLate }: Parts): Promise<Route | undefined> {
  return routes.find(name) ?? (await findLate(name))
}

function ruledCall(route: Route, request: ModelRequest, { coordinator, routes }: Parts): RuledCall {
  const { size } = request
  return {
    // As the model that answers without a rule counts them.
    promptTokens: () => {
      const usual = routes.ledTo(route.model)?.route ?? route
      const provider = usual.targets[0]?.provider ?? ''
      return coordinator.countPrompt({ model: usual.model.name, provider, size })
    },
    hasImages: () => request.needs?.hasImages === true,
    hasTools: () => request.needs?.hasTools === true,
    asksThinking: () => request.needs?.asksThinking === true,
  }
}
