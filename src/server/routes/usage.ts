// `GET /v1/usage`: what the asking client's calls took; for the gateway's own user, what all calls took.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isDirect } from '../../clients/direct-connections.ts'
import { GatewayError } from '../../errors.ts'
import { readQuestion, type WrittenQuestion } from '../../ledger/question.ts'
import { renderReport, renderSpending } from '../../ledger/render.ts'
import { budgetRow } from '../../status/budget-row.ts'
import { corsHeaderNames } from '../cors.ts'
import type { ServerParts } from '../parts.ts'
import { readMethods } from './read-methods.ts'

interface UsageQuery {
  readonly Querystring: Readonly<Record<string, unknown>>
}

type UsageRequest = FastifyRequest<UsageQuery>
type UsageParts = Pick<ServerParts, 'describeBudgets' | 'ownClientId' | 'readUsage' | 'wallNow'>

export function addUsage(
  app: FastifyInstance,
  { describeBudgets, readUsage, ownClientId, wallNow }: UsageParts,
): void {
  const onRequest = (request: FastifyRequest, reply: HeaderRemover, done: () => void) => {
    // No page may read it, whatever the configuration allows.
    for (const name of corsHeaderNames(request.headers.origin)) reply.removeHeader(name)
    done()
  }
  const report = async (request: UsageRequest) => {
    const { client } = request
    // A proxy that nobody has declared connects as its own user, which may be the gateway's; its clients are others.
    const seesAll = client.isMaster === true || (client.id === ownClientId && isDirect(request.raw))
    const read = readQuestion(writtenQuestion(request.query), { nowMs: wallNow(), defaultZone: 'UTC' })
    if (read.kind === 'fault') throw new GatewayError('invalid_request', read.message, { param: read.param })
    const question = { ...read.question, ...(!seesAll && { client: client.id }) }
    const [{ state, report: found, spending }, budgets] = await Promise.all([
      readUsage(question),
      describeBudgets(client),
    ])
    if (found === undefined) throw new GatewayError('usage_unavailable', unavailable(state?.reason, seesAll))
    return {
      object: 'usage',
      client: client.id,
      sees: seesAll ? 'all' : 'own',
      by: question.by,
      ...renderReport(found),
      ...(budgets.length > 0 && { budgets: budgets.map(budgetRow) }),
      ...(seesAll && spending.length > 0 && { spending: renderSpending(spending) }),
      ledger: {
        state: state!.state,
        waiting_rows: state!.waitingRows,
        lost_rows: state!.lostRows,
        ...(seesAll && state!.reason !== undefined && { reason: state!.reason }),
      },
    }
  }
  app.route<UsageQuery>({ method: readMethods, url: '/usage', onRequest, handler: report })
}

interface HeaderRemover {
  removeHeader(name: string): unknown
}

const parameters = ['by', 'since', 'until', 'zone'] as const

function writtenQuestion(query: Readonly<Record<string, unknown>>): WrittenQuestion {
  const unknown = Object.keys(query).find((name) => !(parameters as readonly string[]).includes(name))
  if (unknown !== undefined) {
    const message = `There is no parameter ${JSON.stringify(unknown)}; there are ${parameters.join(', ')}.`
    throw new GatewayError('invalid_request', message, { param: unknown })
  }
  const twice = parameters.find((name) => Array.isArray(query[name]))
  if (twice !== undefined) {
    throw new GatewayError('invalid_request', `The parameter ${twice} appears twice.`, { param: twice })
  }
  return query
}

function unavailable(reason: string | undefined, seesAll: boolean): string {
  const cause = seesAll && reason !== undefined ? `: ${reason}` : ''
  return `The ledger is off, or cannot be read now${cause}.`
}
