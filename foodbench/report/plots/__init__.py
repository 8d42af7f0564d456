"""The pictures of a report. Object-oriented matplotlib on an Agg canvas: no window, no global figure.

canvas     style, colours, saving
labels     names beside points, without overlap
tradeoff   accuracy against memory, transaction rate and response time
timeline   what one cell did, second by second
training   curves and confusion matrix of one model
"""
