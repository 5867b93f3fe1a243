// What vLLM reports of its work. https://docs.vllm.ai/en/stable/usage/metrics/

export const metricsPath = '//metrics'

const families = ['vllm:num_requests_running', 'vllm:num_requests_waiting'] as const

/** Calls that are under way or wait there, of all models and engines. Undefined: the text does not say. */
export function readOpenRequests(body: Buffer): number | undefined {
  let sum: number | undefined
  for (const line of body.toString('latin1').split('\n')) {
    if (!families.some((family) => line.startsWith(family) && /[ {]/.test(line[family.length] ?? '')))
      continue
    const value = Number(line.slice(line.lastIndexOf(' ') + 1))
    if (Number.isFinite(value) && value >= 0) sum = (sum ?? 0) + value
  }
  return sum
}
