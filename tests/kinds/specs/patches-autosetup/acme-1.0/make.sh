#!/bin/sh
echo one
echo two
echo ten
