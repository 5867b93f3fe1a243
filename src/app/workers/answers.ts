// What the owner answers to a worker's questions that leave nothing held. Those that do are in worker-session.ts.
import type { StatusSource } from '../../status/status-source.ts'
import type { SharedServices } from '../shared-services.ts'
import type { Requests, WorkerRequest } from './messages.ts'

type HoldingKind = 'admit' | 'enter_service' | 'move' | 'take' | 'visit_service'

type Kind = Exclude<keyof Requests, HoldingKind>

/** A question of one of these kinds. */
type Question<Each extends Kind> = {
  [Asked in Each]: { readonly kind: Asked; readonly params: Requests[Asked]['params'] }
}[Each]

/** Undefined: the owner has failed at it, which who asked reports. */
type Answer<Each extends Kind> = Requests[Each]['result'] | undefined

export type Answers = {
  readonly [Each in Kind]: (params: Requests[Each]['params']) => Answer<Each> | Promise<Answer<Each>>
}

export function answersOf(services: SharedServices, status: StatusSource): Answers {
  const { coordinator } = services
  return {
    count: (params) => coordinator.countPrompt(params),
    describe: ({ models }) => coordinator.describe(models),
    describe_budgets: ({ scopes }) => coordinator.describeBudgets(scopes),
    describe_client: ({ scope }) => coordinator.describeClient(scope),
    end_call: ({ id, by }) => orNothing(status.cancel(id, by)),
    explain: ({ name }) => orNothing(status.explain(name)),
    find_format: ({ provider, format }) => services.formats.find(provider, format),
    find_keys: ({ url, kid }) => services.keySets.find(url, kid),
    has_objects: ({ client, kind }) => services.owners.hasAny(client, kind),
    known_models: ({ targets }) => coordinator.knownModels(targets),
    metrics: () => orNothing(services.readMetrics()),
    owners: ({ ids }) => services.owners.ownersOf(ids),
    async refresh({ model }) {
      await services.refreshModels(model)
    },
    status: (view) => orNothing(status.report(view)),
    store: () => orNothing(services.describeStore()),
    usage: (question) => orNothing(services.readUsage(question)),
  }
}

/** Whether a question is of one of these kinds. */
export function isPlain(
  request: WorkerRequest,
  answers: Answers,
): request is Extract<WorkerRequest, { readonly kind: Kind }> {
  return Object.hasOwn(answers, request.kind)
}

/** The answer, or a promise of it. @throws with a bug of the owner, as the promise rejects. */
export function answerTo<Each extends Kind>(question: Question<Each>, answers: Answers): unknown {
  return answers[question.kind](question.params)
}

function orNothing<Result>(answer: Promise<Result>): Promise<Result | undefined> {
  return answer.catch(() => undefined)
}
