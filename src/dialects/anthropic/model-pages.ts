// Anthropic's list of models, which comes in pages. https://docs.claude.com/en/api/models-list
import { membersOf, parseJson } from '../../bytes/json/parse.ts'

/** The most that a page may have. */
const pageSize = 1000

/** Longer ids are no model's. */
const maxIdLength = 256

/** Of a page of the list, below a provider's base URL. @param afterId the last model of the page before. */
export function modelListPath(afterId?: string): string {
  const after = afterId === undefined ? '' : `&after_id=${encodeURIComponent(afterId)}`
  return `/models?limit=${pageSize}${after}`
}

/** The last model of a page that is not the last one; undefined for the last page, and for what is no page. */
export function lastIdOf(page: Buffer): string | undefined {
  const { has_more: hasMore, last_id: id } = membersOf(parseJson(page))
  return hasMore === true && typeof id === 'string' && id.length <= maxIdLength ? id : undefined
}
