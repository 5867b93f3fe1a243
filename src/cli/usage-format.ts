/** How `llm-gateway usage` prints. */
export const usageFormats = ['table', 'json', 'csv'] as const
export type UsageFormat = (typeof usageFormats)[number]
