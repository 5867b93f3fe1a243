// Paths as clients write them: base URLs are set with too much, and Azure's SDKs have paths of their own. Where it is plain
// which route is meant, the target is rewritten before it is routed.

/** Below `/openai`: `/deployments/NAME/chat/completions`. The deployment is the model. */
const deployments = '/deployments/'
/** Azure's newer path, which Groq has as well, and its older one for what is of no deployment. */
const azurePrefix = /^(?:\/v1)*\/openai(?:\/v1)*(?=\/|$)/
const repeatedPrefix = /^(?:\/v1)+(?=\/|$)/

export interface TargetReader {
  /** The target that is routed, for a target as it was received. */
  readonly read: (target: string) => string
  /** The deployment that a target names as it was received, percent-encoded; undefined if it names none. */
  readonly deploymentIn: (target: string) => string | undefined
}

/**
 * @param endpoints paths of the dialects, below `/v1`.
 * @param hasRoute whether a path has a route of the gateway's own.
 */
export function targetReader(
  endpoints: readonly string[],
  hasRoute: (path: string) => boolean,
): TargetReader {
  const longestFirst = endpoints.toSorted((one, other) => other.length - one.length)
  const read = (target: string) => {
    // Most targets are as they should be.
    if (target.startsWith('/v1/') && !target.startsWith('/v1/v1') && !target.startsWith('/v1/openai')) {
      return target
    }
    const [path, query] = splitTarget(target)
    const below = belowAzure(path)
    if (below === undefined) return withPrefix(path, hasRoute) + query
    // The version is that of Azure's paths, which end here.
    const ownQuery = query.replaceAll(/(?<=[?&])api-version=[^&]*&?/g, '').replace(/[?&]$/, '')
    if (!below.startsWith(deployments)) return `/v1${below}${ownQuery}`
    const deployment = deploymentOf(below, longestFirst)
    return (deployment === undefined ? `/openai${below}` : `/v1${deployment.endpoint}`) + ownQuery
  }
  const deploymentIn = (target: string) => {
    const below = belowAzure(splitTarget(target)[0])
    return below === undefined ? undefined : deploymentOf(below, longestFirst)?.name
  }
  return { read, deploymentIn }
}

/** What follows `/openai` in a path; undefined for another path. */
function belowAzure(path: string): string | undefined {
  const prefix = azurePrefix.exec(path)?.[0]
  return prefix === undefined ? undefined : path.slice(prefix.length)
}

/** Whether a target has `/v1` or stands for one that has, as it was received; a deployment has its endpoints alone. */
export function isBelowV1(target: string, { deploymentIn }: Pick<TargetReader, 'deploymentIn'>): boolean {
  return /^\/(?:v1|openai)(?:[/?]|$)/.test(target) && deploymentIn(target) === undefined
}

/** Clients disagree on whether the base URL ends with `/v1`: the routes of the API have it. */
function withPrefix(path: string, hasRoute: (path: string) => boolean): string {
  if (path.startsWith('/v1')) return path.replace(repeatedPrefix, '/v1')
  return path !== '/' && hasRoute(`/v1${path}`) ? `/v1${path}` : path
}

/**
 * The deployment and the endpoint that a path below `/openai` names; undefined unless it ends in an endpoint. The name is what
 * stands between: some SDKs write the slashes of a name as they are.
 */
function deploymentOf(
  path: string,
  endpoints: readonly string[],
): { readonly name: string; readonly endpoint: string } | undefined {
  const plain = path.replace(/\/$/, '')
  if (!plain.startsWith(deployments)) return undefined
  const endpoint = endpoints.find(
    (each) => plain.endsWith(each) && plain.length > deployments.length + each.length,
  )
  if (endpoint === undefined) return undefined
  return { endpoint, name: plain.slice(deployments.length, -endpoint.length) }
}

/** Path and query, the latter with its `?` or empty. */
export function splitTarget(target: string): [path: string, query: string] {
  const at = target.indexOf('?')
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at)]
}

const naming = /^(?:\/v1)*(?:\/openai\/deployments\/.|(?:\/openai)?(?:\/v1)*\/models\/.)/

/** Whether a path may name a model, in which characters are percent-encoded. */
export function mayNameModel(path: string): boolean {
  return naming.test(path)
}

/** A path of Anthropic's API below its messages. */
export function isMessagesPath(target: string): boolean {
  return /^(?:\/v1)*\/messages(?:[/?]|$)/.test(target)
}

/** A path of Ollama's own API, whose clients read errors of its form. */
export function isOllamaPath(target: string): boolean {
  return /^(?:\/v1)?\/api(?:[/?]|$)/.test(target)
}

/** What passes to a provider that the path names. */
export function isProviderPath(target: string): boolean {
  return target.startsWith('/providers/')
}

/** What shows the gateway itself: the metrics, the status page and all below it. */
export function isViewPath(target: string): boolean {
  return /^\/(?:metrics|status)(?:[/?]|$)/.test(target)
}
