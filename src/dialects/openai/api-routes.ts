// The routes of OpenAI's API besides those of model calls, as data: what may be passed on, and what each route does to the
// account's objects. Whatever is not listed is not passed on: it may be about the account itself, or hand out a credential.
// https://platform.openai.com/docs/api-reference
import { closestName } from '../../platform/did-you-mean.ts'

/** A method of a path. */
export interface ApiRoute {
  readonly method: 'DELETE' | 'GET' | 'POST'
  /**
   * Below `/v1`. The first `{name}` stands for the id of an object of the account, of the kind `name`; those after it are
   * ids of its parts, which the provider finds only within it.
   */
  readonly path: string
  /** The kind of the object that a successful response reports as created. */
  readonly creates?: string
  /** Where the response has the new object's id. Absent: `id`. */
  readonly createdAt?: 'file.id' | 'thread_id'
  /** The kind of the objects that the response lists, which are the whole account's. */
  readonly lists?: string
  /** The request names a model that is called later, or by something else than this request. */
  readonly namesModel?: true
  /** The body is a file and names no objects: it may be larger than other bodies. */
  readonly isUpload?: true
  /** The response reports tokens that this request has taken. */
  readonly hasUsage?: true
}

interface RouteFacts extends Omit<ApiRoute, 'method' | 'path'> {
  readonly method: ApiRoute['method']
}

const get = { method: 'GET' } as const
const post = { method: 'POST' } as const
const remove = { method: 'DELETE' } as const
const change = [get, post, remove]

/** A collection: its objects are listed, and created. */
function collection(kind: string, facts: Omit<RouteFacts, 'method'> = {}): RouteFacts[] {
  return [
    { ...get, lists: kind },
    { ...post, creates: kind, ...facts },
  ]
}

/** By path, sorted. */
const table: Readonly<Record<string, readonly RouteFacts[]>> = {
  '/agents': collection('agent', { namesModel: true }),
  '/agents/automations': collection('automation', { namesModel: true }),
  '/agents/automations/{automation}': change,
  '/agents/automations/{automation}/invocations': [get, post],
  '/agents/automations/{automation}/invocations/{invocation}': [get],
  '/agents/automations/{automation}/pause': [post],
  '/agents/automations/{automation}/resume': [post],
  '/agents/environments': collection('environment'),
  '/agents/environments/templates': collection('environment_template'),
  '/agents/environments/templates/{environment_template}': change,
  '/agents/environments/{environment}': [get],
  '/agents/environments/{environment}/files': [get, post],
  '/agents/sessions': collection('agent_session', { namesModel: true }),
  '/agents/sessions/{agent_session}': change,
  '/agents/sessions/{agent_session}/artifacts': [get],
  '/agents/sessions/{agent_session}/artifacts/{artifact}': [get, remove],
  '/agents/sessions/{agent_session}/artifacts/{artifact}/content': [get],
  '/agents/sessions/{agent_session}/events': [get, post],
  '/agents/sessions/{agent_session}/items': [get],
  '/agents/sessions/{agent_session}/subagents': [get],
  '/agents/sessions/{agent_session}/subagents/{subagent}': [get],
  '/agents/sessions/{agent_session}/subagents/{subagent}/items': [get],
  '/agents/sessions/{agent_session}/subagents/{subagent}/turns': [get],
  '/agents/sessions/{agent_session}/subagents/{subagent}/turns/{turn}': [get],
  '/agents/sessions/{agent_session}/subagents/{subagent}/turns/{turn}/items': [get],
  '/agents/sessions/{agent_session}/traces': [get],
  '/agents/sessions/{agent_session}/turns': [get],
  '/agents/sessions/{agent_session}/turns/{turn}': [get],
  '/agents/sessions/{agent_session}/turns/{turn}/items': [get],
  '/agents/{agent}': [get, { ...post, namesModel: true }, remove],
  '/assistants': collection('assistant', { namesModel: true }),
  '/assistants/{assistant}': [get, { ...post, namesModel: true }, remove],
  '/audio/voice_consents': collection('voice_consent'),
  '/audio/voice_consents/{voice_consent}': change,
  '/audio/voices': [{ ...post, creates: 'voice' }],
  '/audio/voices/{voice}': [remove],
  '/batches': collection('batch', { namesModel: true }),
  '/batches/{batch}': [get],
  '/batches/{batch}/cancel': [post],
  '/chat/completions': [{ ...get, lists: 'chat_completion' }],
  '/chat/completions/{chat_completion}': change,
  '/chat/completions/{chat_completion}/messages': [get],
  '/chatkit/threads': [{ ...get, lists: 'chatkit_thread' }],
  '/chatkit/threads/{chatkit_thread}': [get, remove],
  '/chatkit/threads/{chatkit_thread}/items': [get],
  '/containers': collection('container'),
  '/containers/{container}': [get, remove],
  '/containers/{container}/files': [get, post],
  '/containers/{container}/files/{file}': [get, remove],
  '/containers/{container}/files/{file}/content': [get],
  '/content_provenance_checks': [{ ...post, isUpload: true }],
  '/conversations': [{ ...post, creates: 'conversation' }],
  '/conversations/{conversation}': change,
  '/conversations/{conversation}/items': [get, post],
  '/conversations/{conversation}/items/{item}': [get, remove],
  '/decisions': [{ ...post, namesModel: true, hasUsage: true }],
  '/evals': collection('eval', { namesModel: true }),
  '/evals/{eval}': change,
  '/evals/{eval}/runs': [get, { ...post, namesModel: true }],
  '/evals/{eval}/runs/{run}': [get, post, remove],
  '/evals/{eval}/runs/{run}/cancel': [post],
  '/evals/{eval}/runs/{run}/output_items': [get],
  '/evals/{eval}/runs/{run}/output_items/{output_item}': [get],
  '/files': collection('file', { isUpload: true }),
  '/files/{file}': [get, remove],
  '/files/{file}/content': [get],
  '/fine_tuning/alpha/graders/run': [{ ...post, namesModel: true }],
  '/fine_tuning/alpha/graders/validate': [{ ...post, namesModel: true }],
  '/fine_tuning/jobs': collection('fine_tuning_job', { namesModel: true }),
  '/fine_tuning/jobs/{fine_tuning_job}': [get],
  '/fine_tuning/jobs/{fine_tuning_job}/cancel': [post],
  '/fine_tuning/jobs/{fine_tuning_job}/checkpoints': [get],
  '/fine_tuning/jobs/{fine_tuning_job}/events': [get],
  '/fine_tuning/jobs/{fine_tuning_job}/pause': [post],
  '/fine_tuning/jobs/{fine_tuning_job}/resume': [post],
  '/responses/{response}': [get, remove],
  '/responses/{response}/cancel': [post],
  '/responses/{response}/input_items': [get],
  '/skills': collection('skill'),
  '/skills/{skill}': change,
  '/skills/{skill}/content': [get],
  '/skills/{skill}/versions': [get, post],
  '/skills/{skill}/versions/{version}': [get, remove],
  '/skills/{skill}/versions/{version}/content': [get],
  '/threads': [{ ...post, creates: 'thread' }],
  '/threads/runs': [{ ...post, creates: 'thread', createdAt: 'thread_id', namesModel: true, hasUsage: true }],
  '/threads/{thread}': change,
  '/threads/{thread}/messages': [get, post],
  '/threads/{thread}/messages/{message}': change,
  '/threads/{thread}/runs': [get, { ...post, namesModel: true, hasUsage: true }],
  '/threads/{thread}/runs/{run}': [get, post],
  '/threads/{thread}/runs/{run}/cancel': [post],
  '/threads/{thread}/runs/{run}/steps': [get],
  '/threads/{thread}/runs/{run}/steps/{step}': [get],
  '/threads/{thread}/runs/{run}/submit_tool_outputs': [{ ...post, hasUsage: true }],
  '/uploads': [{ ...post, creates: 'upload' }],
  '/uploads/{upload}/cancel': [post],
  '/uploads/{upload}/complete': [{ ...post, creates: 'file', createdAt: 'file.id' }],
  '/uploads/{upload}/parts': [{ ...post, isUpload: true }],
  '/vaults': collection('vault'),
  '/vaults/{vault}': change,
  '/vaults/{vault}/credentials': [get, post],
  '/vaults/{vault}/credentials/{credential}': change,
  '/vector_stores': collection('vector_store'),
  '/vector_stores/{vector_store}': change,
  '/vector_stores/{vector_store}/file_batches': [post],
  '/vector_stores/{vector_store}/file_batches/{file_batch}': [get],
  '/vector_stores/{vector_store}/file_batches/{file_batch}/cancel': [post],
  '/vector_stores/{vector_store}/file_batches/{file_batch}/files': [get],
  '/vector_stores/{vector_store}/files': [get, post],
  '/vector_stores/{vector_store}/files/{file}': change,
  '/vector_stores/{vector_store}/files/{file}/content': [get],
  '/vector_stores/{vector_store}/search': [post],
  '/videos': collection('video', { namesModel: true }),
  '/videos/characters': [{ ...post, creates: 'video_character' }],
  '/videos/characters/{video_character}': [get],
  '/videos/edits': [{ ...post, creates: 'video', namesModel: true }],
  '/videos/extensions': [{ ...post, creates: 'video', namesModel: true }],
  '/videos/{video}': [get, remove],
  '/videos/{video}/content': [get],
  '/videos/{video}/remix': [{ ...post, creates: 'video' }],
}

export const apiRoutes: readonly ApiRoute[] = Object.entries(table).flatMap(([path, routes]) =>
  routes.map((facts) => ({ path, ...facts })),
)

/** A request's path as one of the API. */
export interface ApiPath {
  /** As in the table. */
  readonly path: string
  /** What stands for the `{name}`s, in order. */
  readonly ids: readonly string[]
  /** For the methods that the path has. */
  readonly routes: readonly ApiRoute[]
}

/** The segments of paths as a tree, in which a name stands before what may be any id. */
interface PathNode {
  readonly named: Map<string, PathNode>
  id: PathNode | undefined
  found: Pick<ApiPath, 'path' | 'routes'> | undefined
}

const root = treeOf(apiRoutes)

function treeOf(routes: readonly ApiRoute[]): PathNode {
  const top = emptyNode()
  for (const { path } of routes) {
    let node = top
    for (const segment of path.slice(1).split('/')) {
      if (segment.startsWith('{')) node = node.id ??= emptyNode()
      else {
        const next = node.named.get(segment) ?? emptyNode()
        node.named.set(segment, next)
        node = next
      }
    }
    node.found ??= { path, routes: routes.filter((route) => route.path === path) }
  }
  return top
}

function emptyNode(): PathNode {
  return { named: new Map(), id: undefined, found: undefined }
}

/** In ids and names alike. Nothing that a router could decode, split or resolve: no `%`, `/`, `;`, `.` or `..`. */
const idForm = /^[A-Za-z0-9_][A-Za-z0-9_:.~-]{0,255}$/

/**
 * @param path below `/v1`, as the client wrote it: only its normal form is found, in which no program decodes anything.
 * Undefined: the API has no such path, or it is not to be passed on.
 */
export function findApiPath(path: string): ApiPath | undefined {
  if (!path.startsWith('/')) return undefined
  const ids: string[] = []
  let node = root
  for (const segment of path.slice(1).split('/')) {
    const named = node.named.get(segment)
    if (named !== undefined) {
      node = named
      continue
    }
    if (node.id === undefined || !idForm.test(segment)) return undefined
    ids.push(segment)
    node = node.id
  }
  return node.found && { ...node.found, ids }
}

/** Why paths that begin so are not passed on; of any other, nothing is known. */
const refused: readonly (readonly [prefix: string, reason: string])[] = [
  ['/organization', 'it manages the account'],
  ['/projects', 'it manages the account'],
  ['/webhook', 'it manages the account'],
  ['/safety', 'it is about the account'],
  ['/fine_tuning/checkpoints', 'it shares models with other accounts'],
  ['/models', 'it changes the models of the account'],
  ['/chatkit/sessions', 'it hands out a key of the account'],
  ['/realtime', 'Realtime sessions bypass the gateway'],
  ['/live', 'live sessions bypass the gateway'],
]

/** A clause for the client about a path that `findApiPath` does not find. */
export function whyNotPassed(path: string): string {
  const known = refused.find(
    ([prefix]) => path === prefix || path.startsWith(`${prefix}/`) || path.startsWith(`${prefix}_`),
  )
  return known?.[1] ?? unknownPath
}

const unknownPath = "it is not among the routes of OpenAI's API that the gateway knows"

/**
 * The path that the client may have meant, with its own ids; undefined if none is close.
 * @param path one that `findApiPath` does not find.
 * @param others further paths, which are preferred.
 */
export function closestApiPath(path: string, others: readonly string[]): string | undefined {
  if (whyNotPassed(path) !== unknownPath) return undefined
  const segments = path.split('/')
  const alike = Object.keys(table)
    .map((each) => each.split('/'))
    .filter(({ length }) => length === segments.length)
    .filter((each) => each.every((name, index) => !name.startsWith('{') || idForm.test(segments[index]!)))
    .map((each) => each.map((name, index) => (name.startsWith('{') ? segments[index] : name)).join('/'))
  return closestName(path, [...others, ...alike])
}
