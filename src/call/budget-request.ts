// Which budgets a call is subject to, and what its tokens cost at most.
import type { BudgetRequest, BudgetScope, CallRates } from '../admission/budget.ts'
import { scopeNameOf } from '../admission/scopes.ts'
import type { BudgetsConfig } from '../config/types.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { Client, SpendingCall, Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { formatPath } from '../platform/key-path.ts'
import type { Route } from '../routing/route.ts'
import type { Call, Snapshot } from './call.ts'

type Budgets = { readonly budgets: Pick<BudgetsConfig, 'total'> }

/** Whether any budget applies to the client's calls. */
export function isBudgeted({ terms }: Client, { budgets }: Budgets): boolean {
  return budgets.total.length > 0 || (terms !== undefined && terms.budgets.length > 0)
}

/** The client's own budgets, and those of the gateway. */
export function budgetScopesOf(client: Client, { budgets: { total } }: Budgets): BudgetScope[] {
  const scopes: BudgetScope[] = []
  const { terms } = client
  if (terms !== undefined && terms.budgets.length > 0) {
    scopes.push({ name: scopeNameOf(client), entry: terms.name, budgets: terms.budgets })
  }
  if (total.length > 0) scopes.push({ name: 'total', entry: 'total', budgets: total })
  return scopes
}

interface BudgetedCall extends Pick<Call, 'client' | 'dialect' | 'requestId'> {
  readonly request: ModelRequest
  readonly route: Route
  /** Not an alias of it. */
  readonly model: string | undefined
}

function spendingCallOf({ client, dialect, requestId, model }: BudgetedCall): SpendingCall {
  const { id, keyId, secretId: secret, terms, via } = client
  const key = keyId === undefined ? undefined : terms?.name
  return { requestId, client: id, key, secret, via, dialect: dialect.name, model }
}

/** An error where nobody knows what the call costs: in advance, with a budget of money, or even at its end. */
export function budgetRequestOf(
  budgeted: BudgetedCall,
  on: Pick<Snapshot, 'budgets' | 'prices'>,
): BudgetRequest | GatewayError {
  const { client, dialect, request, route } = budgeted
  const scopes = budgetScopesOf(client, on)
  const call = spendingCallOf(budgeted)
  if (request.isInBackground === true) return costUnseen(scopes[0]!)
  const ofMoney = scopes.find(({ budgets }) => budgets.some(({ unit }) => unit === 'usd'))
  if (ofMoney === undefined) return { scopes, rates: undefined, call }
  const { size, serviceTier: requestedTier } = request
  const about = {
    requestedTier,
    // No token is shorter than a byte; a picture may be as long as a page.
    maxPromptTokens: size.textBytes + size.tokenIdCount + maxMediaTokens * size.mediaCount,
    isWorstCase: on.budgets.reserve === 'worst_case',
  }
  let rates: CallRates = { input: 0, output: 0, request: 0 }
  for (const target of route.targets) {
    const ofTarget = on.prices.ratesOf(target, route.model.price, about)
    if (ofTarget === undefined) return priceUnknown(ofMoney, route, target)
    if (dialect.isPaidByTokens === false && ofTarget.request === 0 && ofTarget.input + ofTarget.output > 0) {
      return notByTokens(ofMoney, route)
    }
    rates = dearer(rates, ofTarget)
  }
  return { scopes, rates, call }
}

const maxMediaTokens = 10_000

function dearer(one: CallRates, other: CallRates): CallRates {
  return {
    input: Math.max(one.input, other.input),
    output: Math.max(one.output, other.output),
    request: Math.max(one.request, other.request),
  }
}

function priceUnknown(scope: BudgetScope, { model }: Route, { provider, model: name }: Target): GatewayError {
  const message =
    `${ownerOf(scope)} has a budget of money, and the price of ${JSON.stringify(name)} at provider ${JSON.stringify(provider)} ` +
    `is not known in advance. Set ${formatPath(['models', model.name, 'price'])}, or ${formatPath(['providers', provider, 'price'])}.`
  return new GatewayError('price_unknown', message, { param: 'model' })
}

function costUnseen(scope: BudgetScope): GatewayError {
  const message =
    `${ownerOf(scope)} has a budget, and what a response in the background costs is not known when its call ends. ` +
    'Set "background" to false.'
  return new GatewayError('price_unknown', message, { param: 'background' })
}

function notByTokens(scope: BudgetScope, { model }: Route): GatewayError {
  const message =
    `${ownerOf(scope)} has a budget of money, and calls of this kind are not paid for by tokens alone. ` +
    `Set the price of each call: ${formatPath(['models', model.name, 'price', 'request'])}.`
  return new GatewayError('price_unknown', message, { param: 'model' })
}

function ownerOf({ name, entry }: BudgetScope): string {
  if (name === 'total') return 'The gateway'
  return `The ${name.startsWith('key:') ? 'key' : 'client'} ${JSON.stringify(entry)}`
}
