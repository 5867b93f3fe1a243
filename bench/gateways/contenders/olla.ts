import type { Contender, Place } from '../contender.ts'
import { findOnPath } from '../contender.ts'

/** Set up after the configuration that comes with it, with the faster one of its two engines. */
export const olla: Contender = {
  name: 'Olla',
  setup:
    'engine `olla` (the faster of its two), one OpenAI-compatible endpoint, rate limits off, warnings logged only',
  entrances: { chat: { path: '/olla/openai/v1/chat/completions', model: 'bench' } },
  isRival: true,
  readyPath: '/internal/health',
  find: () =>
    findOnPath('olla', ['--version'], (command, place) => ({
      command,
      args: ['--config', 'config.yaml'],
      env: { HOME: place.directory },
      files: { 'config.yaml': config(place) },
    })),
}

const config = ({ port, upstreamPort }: Place): string => `
server:
  host: "127.0.0.1"
  port: ${port}
  write_timeout: 0s
  request_logging: false
  request_limits: { max_body_size: 52428800, max_header_size: 524288 }
  rate_limits: { global_requests_per_minute: 0, per_ip_requests_per_minute: 0, health_requests_per_minute: 0 }
proxy:
  engine: "olla"
  connection_timeout: 40s
  response_timeout: 900s
  read_timeout: 300s
  load_balancer: "priority"
discovery:
  type: "static"
  static:
    endpoints:
      - url: "http://127.0.0.1:${upstreamPort}"
        name: "scripted"
        type: "openai-compatible"
        priority: 100
        model_url: "/v1/models"
        health_check_url: "/v1/models"
        check_interval: 5s
        check_timeout: 2s
  model_discovery: { enabled: true, interval: 5m, timeout: 30s }
model_registry: { type: "memory" }
logging: { level: "warn", format: "json", output: "stdout" }
`
