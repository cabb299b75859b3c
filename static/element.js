// @ts-check
/// <reference lib="dom" />

/**
 * @param {string} id
 * @returns {any} The element; its kind is in index.html.
 */
export const element = (id) => document.getElementById(id);
